package agent

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/internal/front"
	"distcache/upstream"
)

// severalRig is an agent with servers a, b and c, and a connection to each that remembers.
func severalRig(t *testing.T, spread bool) (*rig, map[string]*wire) {
	r := &rig{t: t, pool: buffer.NewPool(1 << 20), got: map[int][]byte{}, closed: map[int]bool{}}
	config, wires := testConfig(), map[string]*wire{}
	config.Several, config.Spread = true, spread
	config.Name = func(name string) string { return "IP:" + name + ":9001" }
	r.Agent = New(config, r)
	r.Front = r.AddFront(front.NewDistcache(), r, r.pool)
	r.Arrange([]string{"a", "b", "c"}, func(name string) upstream.Spec {
		wires[name] = &wire{rig: r}
		return upstream.Spec{Name: name, Config: config.Server, Transport: wires[name]}
	}, 0)
	r.Start(0)
	return r, wires
}

// comeUp lets the attempt to that server succeed.
func (w *wire) comeUp() {
	w.link.Connected(w.rig.now)
	w.written = nil
	w.link.Received(copy(w.link.Buffer(), codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK)), w.rig.now)
}

// mustShow compares the status, as /readyz shows it.
func (r *rig) mustShow(ready bool, since time.Duration, want string) {
	r.t.Helper()
	if got := r.Status(r.now); got.Ready != ready || got.For != r.now-since || got.String() != want || !got.Whole {
		r.t.Errorf("got ready %v for %v, %q\nwant ready %v for %v, %q", got.Ready, got.For, got.String(), ready, r.now-since, want)
	}
}

// TestStatusOfSeveralServers: which one serves, and which are down.
func TestStatusOfSeveralServers(t *testing.T) {
	r, wires := severalRig(t, false)
	r.mustShow(false, 0, "No connection to any of 3 dc_servers. Requests are answered DISCONNECTED")
	wires["a"].link.Broken(upstream.ErrClosed, r.now)
	r.mustShow(false, 0, "No connection to any of 3 dc_servers (closed by the server). Requests are answered DISCONNECTED. Down: IP:a:9001 (closed by the server)")
	r.now = ms
	wires["b"].comeUp()
	r.mustShow(true, ms, "Connected to dc_server at IP:b:9001. Down: IP:a:9001 (closed by the server). Standing by: IP:c:9001")
	r.at(100 * ms)
	wires["a"].comeUp()
	r.mustShow(true, 100*ms, "Connected to dc_server at IP:a:9001. Standing by: IP:b:9001, IP:c:9001")
	set := r.figuresOf()
	for _, row := range []struct {
		name, server string
		want         float64
	}{{ServerUp, "a", 1}, {ServerUp, "b", 0}, {ServerUp, "", 1}, {LinkUp, "", 1}} {
		if got := set.Total(row.name, row.server); got != row.want {
			t.Errorf("%s of %q: got %v, want %v", row.name, row.server, got, row.want)
		}
	}
}

// TestStatusOfSpread: how many are connected, and which are not.
func TestStatusOfSpread(t *testing.T) {
	r, wires := severalRig(t, true)
	r.mustShow(false, 0, "Connected to 0 of 3 dc_servers. Requests for the sessions of the others are answered DISCONNECTED")
	r.now = ms
	for _, name := range []string{"a", "b", "c"} {
		wires[name].comeUp()
	}
	r.mustShow(true, ms, "Connected to 3 of 3 dc_servers")
	r.now = 2 * ms
	wires["b"].link.Broken(upstream.ErrClosed, r.now)
	r.mustShow(true, 2*ms, "Connected to 2 of 3 dc_servers. Down: IP:b:9001 (closed by the server). "+
		"Requests for the sessions of the others are answered DISCONNECTED")
	for c := range 40 {
		r.come(c)
		r.ask(c, 7, string(rune('0'+c)))
	}
	set := r.figuresOf()
	for _, name := range []string{"a", "c"} {
		if got := set.Total(ServerAsked, name); got < 5 || got > 35 {
			t.Errorf("got %v of 40 requests for %s, want its share", got, name)
		}
	}
	if got := set.Total(LinkUp); got != 0 {
		t.Errorf("got %v loops with all their connections, want none", got)
	}
}

// TestFailoverKeepsRequestsWaiting: those that come between the loss of one server and the answer of the next are not lost, and
// wait no longer than for the very first connection.
func TestFailoverKeepsRequestsWaiting(t *testing.T) {
	r, wires := severalRig(t, false)
	wires["a"].comeUp()
	r.come(1, 2)
	r.ask(1, 1, "in flight")
	wires["a"].link.Broken(upstream.ErrClosed, r.now)
	r.mustGet(1, 1, disconnected)
	r.ask(2, 2, "waits")
	r.mustGetNothing(2)
	wires["b"].comeUp()
	r.TurnEnded(r.now)
	r.wire = wires["b"]
	m := r.seenOne()
	wires["b"].link.Received(copy(wires["b"].link.Buffer(), codec.AppendMessage(nil, codec.Response, m.UID, m.Op, []byte("from b"))), r.now)
	r.TurnEnded(r.now)
	r.mustGet(2, 2, "from b")

	wires["b"].link.Broken(upstream.ErrClosed, r.now)
	r.ask(2, 3, "waits in vain")
	r.at(r.now + min(FirstWait, testTimeout) - 1)
	r.mustGetNothing(2)
	r.at(r.now + 1)
	r.mustGet(2, 3, disconnected)
	r.ask(2, 4, "waits no more")
	r.mustGet(2, 4, disconnected)
}
