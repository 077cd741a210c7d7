package redis

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/store"
	"distcache/internal/store/seal"
)

// TestOneTurnIsOneBatch: and the replies find their requests.
func TestOneTurnIsOneBatch(t *testing.T) {
	r := newRig(t)
	a, b, c, d := r.put(codec.OpAdd, "1"), r.put(codec.OpGet, "2"), r.put(codec.OpRemove, "3"), r.put(codec.OpHave, "4")
	r.Flush(r.now)
	want := []string{"SET p:1 session of 1 NX PX 3600000;GET p:2;DEL p:3;EXISTS p:4;"}
	if got := r.sent("a:1"); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	r.wantOpen(a, b, c, d)
	r.links["a:1"].finish(0, func(b *batch, c *command) reply {
		switch c.verb {
		case get:
			return reply{shape: isBulk, data: []byte("two")}
		case set:
			return reply{shape: isNull}
		case del:
			return reply{shape: isNumber, number: 1}
		}
		return reply{shape: isNumber}
	})
	r.want(a, codec.StatusAddExists)
	r.want(b, codec.StatusOK)
	r.want(c, codec.StatusOK)
	r.want(d, codec.StatusNotOK)
	if got := r.answers[b][0].data; got != "two" {
		t.Errorf("got %q, want the session", got)
	}
	if r.bytes != 0 || r.requests.open != 0 {
		t.Errorf("at the end: %d bytes, %d requests", r.bytes, r.requests.open)
	}
}

// TestAnIDThatCannotExist is not asked for.
func TestAnIDThatCannotExist(t *testing.T) {
	r := newRig(t)
	for _, id := range []string{"", strings.Repeat("x", codec.MaxIDLen+1)} {
		r.want(r.ask(codec.OpGet, id), codec.StatusNotOK)
	}
}

// TestBatchesGatherWhileAllConnectionsAreInUse, up to their size.
func TestBatchesGatherWhileAllConnectionsAreInUse(t *testing.T) {
	r := newRig(t)
	for i := range connections {
		r.ask(codec.OpGet, fmt.Sprint("first", i))
	}
	var waiting []uint32
	for i := range batchCommands + 1 {
		waiting = append(waiting, r.ask(codec.OpGet, fmt.Sprint("then", i)))
	}
	l := r.links["a:1"]
	if len(l.running) != connections {
		t.Fatalf("got %d batches under way, want %d", len(l.running), connections)
	}
	for len(l.running) > 0 {
		l.finish(0, good)
	}
	for _, uid := range waiting {
		r.want(uid, codec.StatusNotOK)
	}
	if got := r.counters.Batches; got != connections+2 {
		t.Errorf("got %d batches, want %d: the %d that waited in two", got, connections+2, len(waiting))
	}
}

// TestRequestsForOneIDStayInTheirOrder: the later one is sent when the earlier one has ended, in whatever order other
// batches end.
func TestRequestsForOneIDStayInTheirOrder(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	first := r.ask(codec.OpAdd, "same")
	r.ask(codec.OpGet, "other")
	then := r.put(codec.OpGet, "same")
	behind := r.put(codec.OpGet, "behind")
	r.Flush(r.now)
	if len(l.running) != 2 {
		t.Fatalf("got %q under way, want two batches", r.sent("a:1"))
	}
	l.finish(1, good)
	r.wantOpen(then, behind)
	if len(l.running) != 1 {
		t.Fatalf("got %q under way, want the first alone", r.sent("a:1"))
	}
	l.finish(0, good)
	r.want(first, codec.StatusOK)
	if got := r.sent("a:1"); len(got) != 1 || got[0] != "GET p:same;GET p:behind;" {
		t.Fatalf("got %q under way, want those that waited", got)
	}
	l.finish(0, good)
	r.want(then, codec.StatusNotOK)
}

// TestDeadline: a request ends at its time, its late answer is dropped, and what was not sent yet is not sent any more.
func TestDeadline(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	late := r.ask(codec.OpAdd, "late")
	waits := r.ask(codec.OpRemove, "late")
	r.pass(149 * ms)
	r.wantOpen(late, waits)
	r.pass(ms)
	r.want(late, codec.StatusDisconnected)
	r.want(waits, codec.StatusDisconnected)
	l.finish(0, good)
	r.want(late, codec.StatusDisconnected) // once
	if len(l.running) != 0 || r.counters.LateReplies != 1 || r.counters.Errors[Late] != 2 {
		t.Errorf("got %d under way, %d late answers, %d late requests, want 0, 1, 2", len(l.running), r.counters.LateReplies, r.counters.Errors[Late])
	}
	r.wantChanges("a:1 late")
}

// TestStop: whoever waits is answered at once, and once.
func TestStop(t *testing.T) {
	r := newRig(t)
	sent, waits := r.ask(codec.OpAdd, "1"), r.ask(codec.OpGet, "1")
	r.Stop(r.now)
	r.links["a:1"].finish(0, good)
	for _, uid := range []uint32{sent, waits} {
		r.want(uid, codec.StatusDisconnected)
	}
	r.wantChanges() // of the server it says nothing
}

// TestBreaker: a server that hangs is asked nothing but a probe every 100 ms, and requests are answered at once. It is
// back with the first answer.
func TestBreaker(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	r.ask(codec.OpGet, "1")
	r.pass(150 * ms)
	for range 10 {
		r.want(r.ask(codec.OpGet, "2"), codec.StatusDisconnected)
	}
	began := r.now
	for range 20 {
		r.pass(probePause)
		if len(l.probes) != 1 {
			t.Fatalf("%v later: got %d probes under way, want 1", r.now-began, len(l.probes))
		}
		r.probed("a:1", failure(Connection, "connection refused"))
	}
	r.want(r.ask(codec.OpGet, "2"), codec.StatusDisconnected)
	r.pass(probePause)
	r.alive("a:1")
	back := r.ask(codec.OpGet, "3")
	l.finish(1, good)
	r.want(back, codec.StatusNotOK)
	r.wantChanges("a:1 late", "a:1 connection", "a:1 ok")
	if r.counters.Opened != 1 {
		t.Errorf("got the breaker opened %d times, want once", r.counters.Opened)
	}
}

// TestTheBreakerStopsWhatWaits: it is not sent to a server that was just lost, each in its time.
func TestTheBreakerStopsWhatWaits(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	first := r.ask(codec.OpAdd, "1")
	waits, behind := r.ask(codec.OpGet, "1"), r.put(codec.OpGet, "2")
	l.finish(0, always(failure(Connection, "connection refused")))
	r.Flush(r.now)
	for _, uid := range []uint32{first, waits, behind} {
		r.want(uid, codec.StatusDisconnected)
	}
	if len(l.running) != 0 || r.bytes != 0 {
		t.Errorf("got %q sent and %d bytes kept, want nothing", r.sent("a:1"), r.bytes)
	}
	if h := r.route.nodes[0].reach; h.failed != 3 {
		t.Errorf("got %d failed requests noted, want 3", h.failed)
	}
}

// TestOverloadOpensNoBreaker: requests that were late before they were sent say nothing of a server that answers.
func TestOverloadOpensNoBreaker(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	for i := range connections {
		r.ask(codec.OpGet, fmt.Sprint(i))
	}
	queued := r.ask(codec.OpGet, "queued")
	r.pass(100 * ms)
	for len(l.running) > 1 {
		l.finish(0, good)
	}
	_ = queued
	for range connections {
		r.ask(codec.OpGet, "more")
	}
	if r.route.nodes[0].down {
		t.Error("got a server that was given up, want it in use")
	}
}

// TestErrorsAreAnsweredAndToldOnce: every kind of error, over and over.
func TestErrorsAreAnsweredAndToldOnce(t *testing.T) {
	for _, text := range []string{"LOADING x", "CLUSTERDOWN x", "NOAUTH x", "BUSY x", "OOM x", "READONLY x", "MISCONF x", "ERR x"} {
		t.Run(text, func(t *testing.T) {
			r := newRig(t)
			l := r.links["a:1"]
			for range 50 {
				uid := r.ask(codec.OpAdd, fmt.Sprint(r.uid))
				l.finish(0, always(refusal(text)))
				r.want(uid, codec.StatusDisconnected)
				r.now += ms
			}
			k := kindOf(text)
			r.wantChanges("a:1 " + k.String())
			if r.counters.Errors[k] != 50 {
				t.Errorf("got %d errors counted, want 50", r.counters.Errors[k])
			}
			r.now += calm
			back := r.ask(codec.OpAdd, "back")
			l.finish(0, good)
			r.want(back, codec.StatusOK)
			r.wantChanges("a:1 "+k.String(), "a:1 ok")
		})
	}
}

// TestGETsAreServedWhileADDsAreRefused: and the page says so.
func TestGETsAreServedWhileADDsAreRefused(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	r.ask(codec.OpAdd, "1")
	l.finish(0, always(refusal("OOM command not allowed")))
	for range 10 {
		r.now += 200 * ms
		uid := r.ask(codec.OpGet, "1")
		l.finish(0, good)
		r.want(uid, codec.StatusNotOK)
	}
	r.wantChanges("a:1 oom")
	if s := r.Status(r.now); !s.Ready || s.Text != "The store refuses ADDs" || s.LastError != "OOM command not allowed" {
		t.Errorf("got the status %+v", s)
	}
}

// TestAReplicaIsDialedAnew: its name may lead to the master by now; at most once a second, and no request fails for it.
func TestAReplicaIsDialedAnew(t *testing.T) {
	r := newRig(t)
	l := r.links["a:1"]
	for i, want := range []int{1, 1, 1, 2} {
		r.now += 400 * ms
		r.ask(codec.OpAdd, fmt.Sprint(i))
		l.finish(0, always(refusal("READONLY x")))
		if l.redials != want || l.hungUp != 0 {
			t.Errorf("ADD %d: got %d redials, %d hang-ups, want %d and none", i, l.redials, l.hungUp, want)
		}
	}
}

// TestALyingServer: an answer of the wrong form ends the connections, since whose the next ones are cannot be known.
func TestALyingServer(t *testing.T) {
	r := newRig(t)
	uid := r.ask(codec.OpGet, "1")
	r.links["a:1"].finish(0, always(reply{shape: isNumber, number: 7}))
	r.want(uid, codec.StatusDisconnected)
	if r.links["a:1"].hungUp != 1 {
		t.Errorf("got %d hang-ups, want 1", r.links["a:1"].hungUp)
	}
	r.want(r.ask(codec.OpGet, "1"), codec.StatusDisconnected) // at once
	r.wantChanges("a:1 protocol")
}

// TestNoServerIsFound: requests are answered at once, it is told once, and the servers are looked for all the time.
func TestNoServerIsFound(t *testing.T) {
	r := emptyRig(t, Config{Prefix: "p:", Timeout: 150 * ms})
	r.want(r.ask(codec.OpGet, "before the start"), codec.StatusDisconnected)
	r.Start(0)
	for range 20 {
		r.want(r.ask(codec.OpGet, "1"), codec.StatusDisconnected)
		r.look(topology{}, errors.New("connection refused"))
		if s := r.Status(r.now); s.Ready || s.LastError != "connection refused" {
			t.Fatalf("got the status %+v, want not ready", s)
		}
		r.pass(lookPause)
	}
	if len(r.notFound) != 1 {
		t.Errorf("got told %d times, want once", len(r.notFound))
	}
	r.look(one(Single, "a:1"), nil)
	r.alive("a:1")
	uid := r.ask(codec.OpGet, "1")
	r.links["a:1"].finish(0, good)
	r.want(uid, codec.StatusNotOK)
}

// TestFullIsAnsweredAtOnce: what waits is bounded, in number and in bytes.
func TestFullIsAnsweredAtOnce(t *testing.T) {
	r := newRig(t)
	big := make([]byte, codec.MaxDataLen)
	n := 0
	for r.counters.Errors[Full] == 0 {
		r.uid++
		n++
		r.Do(&store.Request{Ticket: store.Ticket{UID: r.uid}, Op: codec.OpAdd, ID: fmt.Append(nil, r.uid), Data: big, TTL: time.Hour}, r.now)
	}
	r.want(r.uid, codec.StatusDisconnected)
	if n*len(big) > maxBytes+2*len(big) {
		t.Errorf("got %d sessions of %d bytes taken", n, len(big))
	}
	r.pass(150 * ms)
	if r.requests.open != 0 {
		t.Errorf("got %d requests that still wait", r.requests.open)
	}
}

// TestSealing: neither session nor ID leave the process, and what does not open is a miss.
func TestSealing(t *testing.T) {
	keys, err := seal.Parse([]byte("id " + strings.Repeat("1", 64) + "\nkey " + strings.Repeat("2", 64)))
	if err != nil {
		t.Fatal(err)
	}
	r := emptyRig(t, Config{Prefix: "p:", Timeout: 150 * ms, Seal: keys})
	r.Start(0)
	r.look(one(Single, "a:1"), nil)
	r.alive("a:1")
	l := r.links["a:1"]
	var key, value string
	r.ask(codec.OpAdd, "the ID itself")
	l.finish(0, func(b *batch, c *command) reply {
		key, value = string(b.cut(c.key)), string(b.cut(c.value))
		return reply{shape: isStatus}
	})
	if strings.Contains(key+value, "the ID itself") || strings.Contains(value, "session of") || len(key) != len("p:")+seal.NameLen {
		t.Errorf("got the key %q and the value %q", key, value)
	}
	bulk := func(text string) func(*batch, *command) reply {
		return func(_ *batch, c *command) reply { return reply{shape: isBulk, data: []byte(text)} }
	}
	hit := r.ask(codec.OpGet, "the ID itself")
	l.finish(0, bulk(value))
	r.want(hit, codec.StatusOK)
	if got := r.answers[hit][0].data; got != "session of the ID itself" {
		t.Errorf("got %q, want the session", got)
	}
	for _, wrong := range []string{"plain text", value[:len(value)-1], value + "x"} {
		miss := r.ask(codec.OpGet, "the ID itself")
		l.finish(0, bulk(wrong))
		r.want(miss, codec.StatusNotOK)
	}
	other := r.ask(codec.OpGet, "another ID")
	l.finish(0, bulk(value))
	r.want(other, codec.StatusNotOK)
	if len(r.notOpen) != 4 || r.counters.NotOpened != 4 {
		t.Errorf("got told of %d sessions that did not open, want 4", len(r.notOpen))
	}
}

// TestForeignValues: a value that cannot be a session is none.
func TestForeignValues(t *testing.T) {
	r := newRig(t)
	uid := r.ask(codec.OpGet, "1")
	r.links["a:1"].finish(0, always(reply{shape: isBulk, data: make([]byte, codec.MaxDataLen+1)}))
	r.want(uid, codec.StatusNotOK)
}

// wantChanges compares what the observer was told.
func (r *rig) wantChanges(want ...string) {
	r.t.Helper()
	var got []string
	for _, c := range r.changes {
		got = append(got, c.Address+" "+c.Is.String())
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("got told %q, want %q", got, want)
	}
}
