package client

import (
	"errors"
	"net"
	"sync"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestPersistentKeepsItsConnection(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Persistent: true})
	roundTrip(t, c, "persistent")
	wantConns(t, up, 1)
}

// TestAnswersAreTheCallers: a later operation on the same connection does not change them.
func TestAnswersAreTheCallers(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	up.Put("a", "of a", patience)
	up.Put("b", "of b", patience)
	c := open(t, up.Endpoint(), Options{Persistent: true})
	first, err := c.Get(t.Context(), []byte("a"))
	wantErr(t, "Get", err, nil)
	_, err = c.Get(t.Context(), []byte("b"))
	wantErr(t, "Get", err, nil)
	if string(first) != "of a" || up.Conns() != 1 {
		t.Errorf("got %q after another Get over %d connections, want the same as before, over 1", first, up.Conns())
	}
}

// TestLateConnect: Open needs no service, Dial does.
func TestLateConnect(t *testing.T) {
	for name, opt := range kinds() {
		t.Run(name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Loopback())
			up.Stop()
			c := open(t, up.Endpoint(), opt)
			_, err := Dial(t.Context(), up.Endpoint().String(), opt)
			wantErr(t, "Dial", err, ErrDisconnected)
			wantErr(t, "Have", ask(t, c, codec.OpHave), ErrDisconnected)
			var network *net.OpError
			if !errors.As(err, &network) {
				t.Errorf("Dial: got error %v, want one that wraps a *net.OpError", err)
			}
			up.Start()
			wantErr(t, "Have", ask(t, c, codec.OpHave), ErrNotFound)
		})
	}
}

func TestDialConnectsAtOnce(t *testing.T) {
	tests := []struct {
		name        string
		opt         Options
		open, conns int // after Dial, and after one operation
	}{
		{"temporary", Options{Keep: -1}, 0, 2},
		{"kept for a while", Options{Keep: patience}, 1, 1},
		{"persistent", Options{Persistent: true}, 1, 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Unix(t))
			c, err := Dial(t.Context(), up.Endpoint().String(), test.opt)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			wantConns(t, up, 1)
			wantOpen(t, up, test.open)
			wantHave(t, c, []byte("id"), false)
			wantConns(t, up, test.conns)
		})
	}
}

// TestDroppedWhileIdle: a connection that the service has closed is replaced before it is
// used, without Retry too, and nothing is asked twice.
func TestDroppedWhileIdle(t *testing.T) {
	drops := map[string]func(*kit.Upstream){"closed": (*kit.Upstream).CloseAll, "reset": (*kit.Upstream).ResetAll}
	for name, drop := range drops {
		t.Run(name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Loopback())
			c := open(t, up.Endpoint(), Options{Persistent: true})
			wantErr(t, "Add", ask(t, c, codec.OpAdd), nil)
			drop(up)
			wantOpen(t, up, 0)
			kit.Wait(t, patience, "end of the connection", func() bool { return !isQuiet(c.idle[0].socket) })
			wantErr(t, "Get", ask(t, c, codec.OpGet), nil)
			wantConns(t, up, 2)
			if up.Asked() != 2 {
				t.Errorf("got %d requests, want 2", up.Asked())
			}
		})
	}
}

// TestRetry: the second request on a kept connection is read, takes effect, and in place
// of its answer the connection ends.
func TestRetry(t *testing.T) {
	hangUp := kit.CloseUnanswered
	tests := []struct {
		name  string
		op    codec.Op
		retry bool
		fault kit.Fault
		times int
		there bool // the session, before
		want  error
		asked int // on all connections, with the first request
	}{
		{"get", codec.OpGet, true, hangUp, 1, true, nil, 3},
		{"get, RST", codec.OpGet, true, kit.ResetUnanswered, 1, true, nil, 3},
		{"have", codec.OpHave, true, hangUp, 1, true, nil, 3},
		{"remove meets its own effect", codec.OpRemove, true, hangUp, 1, true, ErrNotFound, 3},
		{"add meets its own effect", codec.OpAdd, true, hangUp, 1, false, ErrExists, 3},
		{"only once", codec.OpGet, true, hangUp, 2, true, ErrDisconnected, 3},
		{"not after a byte of the answer", codec.OpGet, true, kit.Cut(1), 1, true, ErrDisconnected, 2},
		{"not unless asked for", codec.OpGet, false, hangUp, 1, true, ErrDisconnected, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Loopback())
			if test.there {
				up.Put("id", "data", patience)
			}
			c := open(t, up.Endpoint(), Options{Persistent: true, Retry: test.retry})
			wantHave(t, c, []byte("other"), false)
			up.On(func(r kit.Request) bool { return r.ID == "id" }).Times(test.times).Do(test.fault)
			err := ask(t, c, test.op)
			wantErr(t, "the operation", err, test.want)
			if up.Asked() != test.asked {
				t.Errorf("got %d requests, want %d", up.Asked(), test.asked)
			}
			var e *Error
			if retried := errors.As(err, &e) && e.Retried; err != nil && retried != (test.asked == 3) {
				t.Errorf("got %#v, want Retried: %v", e, test.asked == 3)
			}
		})
	}
}

// TestRetryOverANewConnection: the other idle connections may be dropped as well.
func TestRetryOverANewConnection(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	both := make(chan struct{})
	up.On(func(r kit.Request) bool { return r.ID == "both" }).Times(2).Do(func(x *kit.Exchange) {
		<-both
		x.Write(x.Answer)
	})
	c := open(t, up.Endpoint(), Options{Persistent: true, Retry: true, Timeout: patience})
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() { wantHave(t, c, []byte("both"), false) })
	}
	wantOpen(t, up, 2)
	close(both)
	all.Wait()
	up.On(func(r kit.Request) bool { return r.Conn <= 2 }).Do(kit.CloseUnanswered)
	wantErr(t, "Get", ask(t, c, codec.OpGet), ErrNotFound)
	wantConns(t, up, 3)
}

// TestEachRequestHasItsOwnUID: an answer that comes twice is not that of the next request.
func TestEachRequestHasItsOwnUID(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Persistent: true})
	const requests = 100
	for range requests {
		wantHave(t, c, []byte("id"), false)
	}
	uids := make(map[uint32]bool)
	for _, r := range up.Requests() {
		uids[r.UID] = true
	}
	if len(uids) != requests || up.Conns() != 1 {
		t.Errorf("got %d uids in %d requests over %d connections, want as many as requests, over 1", len(uids), requests, up.Conns())
	}
}

// TestNoRetryOfNewConnections: a service that closes a new connection refuses it.
func TestNoRetryOfNewConnections(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	up.After(0).Do(kit.CloseUnanswered)
	c := open(t, up.Endpoint(), Options{Persistent: true, Retry: true})
	wantErr(t, "Get", ask(t, c, codec.OpGet), ErrDisconnected)
	if up.Asked() != 1 {
		t.Errorf("got %d requests, want 1", up.Asked())
	}
}

// TestIdleConnectionsAreBounded: operations do not wait for one another, and what they
// leave is no more than MaxIdle.
func TestIdleConnectionsAreBounded(t *testing.T) {
	tests := []struct {
		name      string
		opt       Options
		conns, ok int
	}{
		{"default", Options{Persistent: true, Timeout: patience}, 20, DefaultMaxIdle},
		{"two", Options{Persistent: true, Timeout: patience, MaxIdle: 2}, 20, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			up := kit.NewUpstream(t, kit.Unix(t))
			everybody := make(chan struct{})
			up.After(0).Do(func(x *kit.Exchange) {
				<-everybody
				x.Write(x.Answer)
			})
			c := open(t, up.Endpoint(), test.opt)
			var all sync.WaitGroup
			for range test.conns {
				all.Go(func() { wantHave(t, c, []byte("id"), false) })
			}
			kit.Wait(t, patience, "all requests", func() bool { return up.Open() == test.conns })
			close(everybody)
			all.Wait()
			wantOpen(t, up, test.ok)
			wantHave(t, c, []byte("id"), false)
			wantConns(t, up, test.conns)
		})
	}
}

func TestClose(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	c := open(t, up.Endpoint(), Options{Persistent: true, Timeout: patience})
	wantHave(t, c, []byte("id"), false)
	wantOpen(t, up, 1)
	answer, asked := make(chan struct{}), make(chan struct{})
	up.On(func(kit.Request) bool { return true }).Times(1).Do(func(x *kit.Exchange) {
		close(asked)
		<-answer
		x.Write(x.Answer)
	})
	var under sync.WaitGroup
	under.Go(func() { wantErr(t, "the operation under way", ask(t, c, codec.OpGet), ErrNotFound) })
	<-asked
	wantErr(t, "Close", c.Close(), nil)
	wantErr(t, "Close again", c.Close(), nil)
	for op := range codec.Op(codec.NumOps) {
		wantErr(t, op.String(), ask(t, c, op), ErrClosed)
	}
	close(answer)
	under.Wait()
	wantOpen(t, up, 0)
}
