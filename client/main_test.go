package client

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

const (
	// agentEnv is the address of the dc_client that the examples ask, and serverEnv that of
	// the dc_server behind it.
	agentEnv  = "DISTCACHE_AGENT"
	serverEnv = "DISTCACHE_SERVER"

	// patience is how long a test waits for what must come, on a busy machine.
	patience = time.Minute
)

// TestMain runs the tests beside a real dc_client with a real dc_server behind it.
func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Parallel: 8, Shared: func(t testing.TB) {
		_, server := kit.NewRig(t).Server()
		_, agent := kit.NewRig(t).Client(server)
		if err := errors.Join(os.Setenv(serverEnv, server.String()), os.Setenv(agentEnv, agent.String())); err != nil {
			t.Fatal(err)
		}
	}}.Run(m)
}

// open returns a client of what listens there, until the test ends.
func open(t *testing.T, at kit.Endpoint, opt Options) *Client {
	t.Helper()
	return openAt(t, at.String(), opt)
}

func openAt(t *testing.T, address string, opt Options) *Client {
	t.Helper()
	c, err := Open(address, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// wantErr holds that err wraps want, and is nil for nil.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	if !errors.Is(err, want) || (want == nil) != (err == nil) {
		t.Errorf("%s: got error %v, want %v", what, err, want)
	}
}

// wantConns holds how many connections the service has seen.
func wantConns(t *testing.T, up *kit.Upstream, want int) {
	t.Helper()
	kit.Wait(t, patience, fmt.Sprintf("%d connections", want), func() bool { return up.Conns() >= want })
	if got := up.Conns(); got != want {
		t.Errorf("got %d connections to the service, want %d", got, want)
	}
}

// wantOpen waits until that many connections to the service are open.
func wantOpen(t *testing.T, up *kit.Upstream, want int) {
	t.Helper()
	kit.Wait(t, patience, fmt.Sprintf("%d open connections", want), func() bool { return up.Open() == want })
}
