package redis

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"distcache/codec"
)

// TestRedirectsAreFollowed: MOVED and ASK are followed, by the one request, and not for ever.
func TestRedirectsAreFollowed(t *testing.T) {
	r := newRig(t)
	uid := r.ask(codec.OpAdd, "1")
	r.links["a:1"].finish(0, always(refusal("ASK 5 b:1")))
	if got := r.sent("b:1"); len(got) != 1 || got[0] != "ASKING SET p:1 session of 1 NX PX 3600000;" {
		t.Fatalf("got %q sent, want ASKING and the command", got)
	}
	r.links["b:1"].finish(0, always(refusal("MOVED 5 c:1")))
	if got := r.sent("c:1"); len(got) != 1 || got[0] != "SET p:1 session of 1 NX PX 3600000;" {
		t.Fatalf("got %q sent, want the command", got)
	}
	r.links["c:1"].finish(0, good)
	r.want(uid, codec.StatusOK)

	loop := r.ask(codec.OpGet, "2")
	for i, at := range []string{"a:1", "b:1", "a:1", "b:1"} {
		to := []string{"b:1", "a:1"}[i%2]
		r.links[at].finish(0, always(refusal("MOVED 5 "+to)))
	}
	r.want(loop, codec.StatusDisconnected)
	if r.counters.Errors[Moved] != 1 {
		t.Errorf("got %d requests sent around too often, want 1", r.counters.Errors[Moved])
	}
}

// TestOrderThroughRedirects: while a slot moves, the requests for one ID stay in their order: the later ones follow the first.
func TestOrderThroughRedirects(t *testing.T) {
	r := newRig(t)
	add := r.ask(codec.OpAdd, "1")
	remove := r.ask(codec.OpRemove, "1")
	other := r.ask(codec.OpGet, "2") // waits behind
	r.links["a:1"].finish(0, always(refusal("MOVED 5 b:1")))
	get := r.ask(codec.OpGet, "1")
	want := []string{"SET p:1 session of 1 NX PX 3600000;DEL p:1;"}
	if got := r.sent("b:1"); !slices.Equal(got, want) {
		t.Fatalf("got %q at b:1, want %q", got, want)
	}
	if got := r.sent("a:1"); len(got) != 1 || got[0] != "GET p:2;" {
		t.Fatalf("got %q at a:1, want what has not moved", got)
	}
	r.links["a:1"].finish(0, good)
	r.want(other, codec.StatusNotOK)
	r.links["b:1"].finish(0, good)
	r.want(add, codec.StatusOK)
	r.want(remove, codec.StatusNotOK)
	r.links["b:1"].finish(0, good)
	r.want(get, codec.StatusNotOK)
}

// TestOrderThroughFullBatches: a later request for an ID that moves follows it into another batch, since the first is full.
func TestOrderThroughFullBatches(t *testing.T) {
	r := newRig(t)
	r.put(codec.OpAdd, "1")
	for i := range batchCommands - 1 {
		r.put(codec.OpGet, fmt.Sprint("other", i))
	}
	r.put(codec.OpGet, "1")
	r.Flush(r.now)
	r.links["a:1"].finish(0, always(refusal("MOVED 5 b:1")))
	got := r.sent("b:1")
	if len(got) != 1 || !strings.HasPrefix(got[0], "SET p:1 ") {
		t.Fatalf("got %d batches at b:1, want that of the ADD alone", len(got))
	}
	r.links["b:1"].finish(0, good)
	if got := r.sent("b:1"); !slices.Equal(got, []string{"GET p:1;"}) {
		t.Errorf("got %q at b:1, want the GET that waited", got)
	}
}

// TestAHangingServerHoldsUpNoOther: of a cluster of three, one hangs.
func TestAHangingServerHoldsUpNoOther(t *testing.T) {
	r := newCluster(t)
	hung := map[uint32]bool{}
	for i := range 300 {
		id := fmt.Sprint("id", i)
		uid := r.put(codec.OpGet, id)
		hung[uid] = r.route.nodeOf([]byte("p:"+id)).address == "b:1"
	}
	r.Flush(r.now)
	for _, at := range []string{"a:1", "c:1"} {
		for l := r.links[at]; len(l.running) > 0; {
			l.finish(0, good)
		}
	}
	for uid, hangs := range hung {
		if hangs {
			r.wantOpen(uid)
		} else {
			r.want(uid, codec.StatusNotOK)
		}
	}
	r.pass(150 * ms)
	for uid, hangs := range hung {
		if hangs {
			r.want(uid, codec.StatusDisconnected)
		}
	}
	if s := r.Status(r.now); !s.Ready || s.Text != "Serving sessions from 2 of 3 servers of the cluster" {
		t.Errorf("got the status %+v", s)
	}
}

// newCluster has three servers that have answered.
func newCluster(t testing.TB) *rig {
	r := emptyRig(t, Config{Prefix: "p:", Timeout: 150 * ms})
	r.Start(0)
	r.look(threeServers(), nil)
	for _, at := range []string{"a:1", "b:1", "c:1"} {
		r.alive(at)
	}
	return r
}

func threeServers() topology {
	return topology{mode: Cluster, ranges: []slotRange{{0, 5000, "a:1"}, {5001, 10000, "b:1"}, {10001, slots - 1, "c:1"}}}
}

// TestSlotsWithoutAServer: their requests fail as of a cluster that is down; it is told once, and the servers are asked again.
func TestSlotsWithoutAServer(t *testing.T) {
	r := newCluster(t)
	part := threeServers()
	part.ranges = part.ranges[:1]
	r.pass(lookCluster)
	r.look(part, nil)
	id := ""
	for i := 0; id == ""; i++ {
		if s := fmt.Sprint(i); r.route.nodeOf([]byte("p:"+s)) == nil {
			id = s
		}
	}
	for range 5 {
		r.want(r.ask(codec.OpGet, id), codec.StatusDisconnected)
		r.pass(lookPause)
		r.look(part, nil)
	}
	if got := r.counters.Errors[ClusterDown]; got != 5 {
		t.Errorf("got %d errors of the kind clusterdown, want 5", got)
	}
	if s := r.Status(r.now); s.Text != "Slots of the cluster have no server" || s.LastError != "11383 of 16384 slots have no server" {
		t.Errorf("got the status %+v", s)
	}
	r.now += calm
	r.pass(lookPause)
	r.look(threeServers(), nil)
	r.wantChanges("the cluster clusterdown", "the cluster ok")
	if c := r.changes[1]; c.Failed != 5 {
		t.Errorf("got %d failed requests told, want 5", c.Failed)
	}
}

// TestFailover: another server takes the slots; the old one is forgotten once it has nothing to do.
func TestFailover(t *testing.T) {
	r := newCluster(t)
	id := ""
	for i := 0; id == ""; i++ {
		if s := fmt.Sprint(i); r.route.nodeOf([]byte("p:"+s)).address == "b:1" {
			id = s
		}
	}
	dead := r.ask(codec.OpGet, id)
	r.links["b:1"].finish(0, always(failure(Connection, "connection refused")))
	r.want(dead, codec.StatusDisconnected)
	r.expire()
	next := threeServers()
	next.ranges[1].address = "d:1"
	r.pass(lookPause) // the servers are asked, soon
	r.look(next, nil)
	r.alive("d:1")
	served := r.ask(codec.OpGet, id)
	r.links["d:1"].finish(0, good)
	r.want(served, codec.StatusNotOK)
	if r.links["b:1"].probes != nil { // its probe was under way
		r.links["b:1"].probes[0](failure(Connection, "connection refused"))
	}
	r.pass(lookCluster)
	r.look(next, nil)
	if !r.links["b:1"].closed || len(r.route.nodes) != 3 {
		t.Errorf("got %d servers, the dead one closed: %v", len(r.route.nodes), r.links["b:1"].closed)
	}
	if len(r.found) != 2 {
		t.Errorf("got told of %d sets of servers, want 2", len(r.found))
	}
}
