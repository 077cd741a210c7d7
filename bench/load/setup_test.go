package load

import (
	"context"
	"distcache/bench/load/plan"
	"errors"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/internal/test/kit"
)

// patience is for what happens soon on a machine that is not overloaded.
const patience = 20 * time.Second

// serve starts an honest server.
func serve(t *testing.T) *kit.Upstream {
	t.Helper()
	return kit.NewUpstream(t, kit.Unix(t))
}

// target returns a small run against that server, with a seed that the test prints when it fails.
func configFor(t *testing.T, at kit.Endpoint) plan.Config {
	t.Helper()
	c := plan.DefaultConfig()
	c.Address = parseAddress(t, at.String())
	c.Seed = uint64(time.Now().UnixNano())
	c.Operations = 1000
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d, salt %d", c.Seed, c.Salt)
		}
	})
	return c
}

func parseAddress(t *testing.T, text string) address.Address {
	t.Helper()
	a, err := address.ParseConnect(text)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// runs runs the load and fails the test when that returns an error.
func runs(t *testing.T, c plan.Config) *plan.Result {
	t.Helper()
	r, err := Run(testContext(t), c)
	if err != nil {
		t.Fatalf("got %v, want a run without error", err)
	}
	return r
}

// violates runs the load and returns the violation that ends it, which must be there.
func violates(t *testing.T, c plan.Config) *plan.Violation {
	t.Helper()
	r, err := Run(testContext(t), c)
	var v *plan.Violation
	if !errors.As(err, &v) {
		t.Fatalf("got error %v, want a violation", err)
	}
	if r == nil || r.Violation != v {
		t.Fatalf("got a result without the violation, want it there too")
	}
	return v
}

func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// modes are the ways in which clients connect and the kernel is called.
func modes() map[string]func(*plan.Config) {
	return map[string]func(*plan.Config){
		"a connection each":               func(*plan.Config) {},
		"a connection each, system calls": func(c *plan.Config) { c.SystemCalls = true },
		"keep-alive":                      func(c *plan.Config) { c.KeepAlive = true },
		"keep-alive, system calls":        func(c *plan.Config) { c.KeepAlive, c.SystemCalls = true, true },
		"pipeline":                        func(c *plan.Config) { c.KeepAlive, c.Pipeline = true, 7 },
		"many clients":                    func(c *plan.Config) { c.Clients = 100 },
		"many clients, keep-alive":        func(c *plan.Config) { c.Clients, c.KeepAlive = 100, true },
	}
}
