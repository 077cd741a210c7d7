package conn

import (
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/upstream"
)

// refreshed is what Refresh gives.
type refreshed struct {
	found []string
	err   error
}

// refresh calls Refresh and waits for what it gives.
func (e *edge) refresh() refreshed {
	e.t.Helper()
	came := make(chan refreshed, 1)
	e.do(func() { e.conn.Refresh(func(found []string, err error) { came <- refreshed{found, err} }) })
	select {
	case r := <-came:
		return r
	case <-time.After(patience):
		e.t.Fatal("the look-up does not end")
		return refreshed{}
	}
}

// TestF10Refresh looks the name up anew, and leaves the connection where it is.
func TestF10Refresh(t *testing.T) {
	t.Parallel()
	good := listen(t, "tcp", goodIP+":0", answering)
	port := portOf(good)
	moved := fmt.Sprintf("%s%d.test", moves, port)
	path := socketPath(t)
	listen(t, "unix", path, answering)
	for _, row := range []struct{ name, target, connected, found, err string }{
		{"in digits", fmt.Sprintf("IP:%s:%d", goodIP, port), fmt.Sprintf("%s:%d", goodIP, port), fmt.Sprintf("[%s:%d]", goodIP, port), ""},
		{"moved", fmt.Sprintf("IP:%s:%d", moved, port), fmt.Sprintf("%s:%d", goodIP, port), fmt.Sprintf("[%s:%d]", otherIP, port), ""},
		{"does not resolve any more", fmt.Sprintf("IP:%s%d-x.test:%d", goesAway, port, port), fmt.Sprintf("%s:%d", goodIP, port), "[]", "cannot resolve IP:goes-away"},
		{"a unix socket", "UNIX:" + path, "UNIX:" + path, "[UNIX:" + path + "]", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			e := dial(t, row.target, long, long)
			e.await(upstream.Up)
			got := e.refresh()
			if fmt.Sprint(got.found) != row.found || (got.err == nil) != (row.err == "") || row.err != "" && !strings.Contains(got.err.Error(), row.err) {
				t.Errorf("got %v, %v, want %s, %s", got.found, got.err, row.found, row.err)
			}
			e.ask("hello")
			e.mustAnswer("hello")
			var address string
			e.do(func() { address = e.conn.Address() })
			if address != row.connected || len(e.changes) > 0 {
				t.Errorf("got the address %s and %d changes of state, want %s and none", address, len(e.changes), row.connected)
			}
		})
	}
}

// TestF10NextGoesWhereTheNameLeads: a Conn of Next connects to the new address, also when the name
// server is silent by then.
func TestF10NextGoesWhereTheNameLeads(t *testing.T) {
	t.Parallel()
	good := listen(t, "tcp", goodIP+":0", answering)
	listen(t, "tcp", fmt.Sprintf("%s:%d", otherIP, portOf(good)), answering)
	e := dial(t, fmt.Sprintf("IP:%sby-next-%d.test:%d", moves, portOf(good), portOf(good)), long, long)
	e.await(upstream.Up)
	e.refresh()
	for _, host := range []string{e.conn.target.Host, noAnswer} {
		second := *e
		second.changes = make(chan change, 100)
		e.do(func() {
			second.conn = e.conn.Next()
			second.conn.target.Host = host
			second.server = upstream.New(upstream.Config{MaxInFlight: 10, MaxBatch: 1 << 20, Timeout: long, Retry: long, Random: func(b []byte) { clear(b) },
				EndTurn: e.loop.EndTurn},
				second.conn, &second, &second)
			e.loop.Schedule(second.server)
			second.server.Start(e.loop.Now())
		})
		if c, want := second.await(upstream.Up), fmt.Sprintf("%s:%d", otherIP, portOf(good)); c.address != want {
			t.Errorf("got a connection to %s, want %s", c.address, want)
		}
		e.do(func() { second.server.Stop(e.loop.Now()) })
	}
}

// TestF10AddressesAreToldOnce: once for each set of addresses, whatever their order is and however
// the attempts end.
func TestF10AddressesAreToldOnce(t *testing.T) {
	t.Parallel()
	port := portOf(listen(t, "tcp", goodIP+":0", func(c net.Conn) { answer(c, 1) }))
	told := make(chan []string, 100)
	e := prepare(t, fmt.Sprintf("IP:%s:%d", twoHosts, port), 20*ms, long)
	e.do(func() {
		e.conn.OnAddresses(func(all []string) { told <- all })
		e.server.Start(e.loop.Now())
	})
	for range 3 {
		e.await(upstream.Up)
	}
	e.stop()
	want := []string{fmt.Sprintf("%s:%d", goodIP, port), fmt.Sprintf("%s:%d", otherIP, port)}
	if len(told) != 1 {
		t.Fatalf("got told %d times, want once", len(told))
	}
	if got := <-told; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
