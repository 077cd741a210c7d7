package redis

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/store"
)

const ms = time.Millisecond

// rig is a Store between a loop, servers and an observer that only remember.
type rig struct {
	*Store
	t         testing.TB
	now       time.Duration
	posted    []func()
	links     map[string]*fakeLink
	looks     []func(topology, error) // questions which servers there are
	elsewhere bool                    // the last one is for another server than before
	answers   map[uint32][]answer     // by UID
	changes   []Change
	found     [][]string
	notFound  []string
	notOpen   []error
	uid       uint32
}

type answer struct {
	op     codec.Op
	status codec.Status
	data   string
	at     time.Duration
}

// newRig has one server, which has answered its first probe.
func newRig(t testing.TB) *rig {
	r := emptyRig(t, Config{Prefix: "p:", Timeout: 150 * ms})
	r.Start(0)
	r.look(one(Single, "a:1"), nil)
	r.alive("a:1")
	return r
}

func emptyRig(t testing.TB, c Config) *rig {
	r := &rig{t: t, links: map[string]*fakeLink{}, answers: map[uint32][]answer{}}
	r.Store = New(c, r, r, r)
	r.Serve(r)
	return r
}

// Post, EndTurn and Now implement Loop.
func (r *rig) Post(fn func()) error { r.posted = append(r.posted, fn); return nil }
func (r *rig) EndTurn()             {}
func (r *rig) Now() time.Duration   { return r.now }

// Link, Topology and Close implement Dialer.
func (r *rig) Link(address string) Link {
	l := &fakeLink{rig: r, address: address}
	r.links[address] = l
	return l
}

func (r *rig) Topology(elsewhere bool, found func(topology, error)) {
	r.looks, r.elsewhere = append(r.looks, found), elsewhere
}
func (r *rig) Close() {}

// StoreChanged and the like implement Observer.
func (r *rig) StoreChanged(c Change, _ time.Duration)           { r.changes = append(r.changes, c) }
func (r *rig) StoreFound(_ Mode, all []string, _ time.Duration) { r.found = append(r.found, all) }
func (r *rig) StoreNotFound(_ Kind, reason string, _ time.Duration) {
	r.notFound = append(r.notFound, reason)
}
func (r *rig) NotOpened(reason error, _ time.Duration) { r.notOpen = append(r.notOpen, reason) }

// Answer and Evicted implement store.Answers.
func (r *rig) Answer(t store.Ticket, op codec.Op, s codec.Status, data []byte, now time.Duration) {
	r.answers[t.UID] = append(r.answers[t.UID], answer{op, s, string(data), now})
}

func (r *rig) Evicted(int, store.Full, time.Duration) {
	r.t.Error("got an eviction of a store that keeps nothing")
}

// fakeLink has batches and probes that the test answers.
type fakeLink struct {
	rig     *rig
	address string
	running []*batch
	probes  []func(reply)
	hungUp  int
	redials int
	closed  bool
}

func (l *fakeLink) Run(b *batch) {
	if l.running = append(l.running, b); len(l.running) > connections {
		l.rig.t.Errorf("%s: got %d batches at a time, want %d at most", l.address, len(l.running), connections)
	}
}
func (l *fakeLink) Probe(answered func(reply)) { l.probes = append(l.probes, answered) }
func (l *fakeLink) HangUp()                    { l.hungUp++ }
func (l *fakeLink) Redial()                    { l.redials++ }
func (l *fakeLink) Close()                     { l.closed = true }

// finish answers batch i, each command by give.
func (l *fakeLink) finish(i int, give func(b *batch, c *command) reply) {
	b := l.running[i]
	l.running = slices.Delete(l.running, i, i+1)
	for n := range b.commands {
		b.replies = append(b.replies, give(b, &b.commands[n]))
	}
	b.finished()
}

// good answers as an empty Redis does.
func good(_ *batch, c *command) reply {
	switch c.verb {
	case get:
		return reply{shape: isNull}
	case set:
		return reply{shape: isStatus}
	}
	return reply{shape: isNumber}
}

// always answers the same.
func always(r reply) func(*batch, *command) reply { return func(*batch, *command) reply { return r } }

// look answers the question which servers there are.
func (r *rig) look(t topology, err error) {
	r.t.Helper()
	if len(r.looks) == 0 {
		r.t.Fatal("nobody asks which servers there are")
	}
	found := r.looks[0]
	r.looks = r.looks[1:]
	found(t, err)
	r.expire()
}

// alive answers the probe of a server.
func (r *rig) alive(address string) { r.probed(address, reply{shape: isNumber}) }

func (r *rig) probed(address string, answer reply) {
	r.t.Helper()
	r.expire()
	l := r.links[address]
	if len(l.probes) == 0 {
		r.t.Fatalf("%s is not probed", address)
	}
	answered := l.probes[0]
	l.probes = l.probes[1:]
	answered(answer)
}

// pass lets time pass, with all that falls due.
func (r *rig) pass(d time.Duration) {
	for end := r.now + d; ; {
		next := r.Deadline()
		if next > end {
			r.now = end
			return
		}
		r.now = max(r.now, next)
		r.expire()
		if r.Deadline() <= r.now {
			r.t.Fatalf("at %v: something stays due at %v", r.now, r.Deadline())
		}
	}
}

func (r *rig) expire() { r.Expire(r.now, 1) }

// ask asks, and ends the turn.
func (r *rig) ask(op codec.Op, id string) uint32 {
	uid := r.put(op, id)
	r.Flush(r.now)
	return uid
}

// put asks within a turn.
func (r *rig) put(op codec.Op, id string) uint32 {
	r.uid++
	q := &store.Request{Ticket: store.Ticket{UID: r.uid}, Op: op, ID: []byte(id)}
	if op == codec.OpAdd {
		q.Data, q.TTL = []byte("session of "+id), time.Hour
	}
	r.Do(q, r.now)
	return r.uid
}

// want compares the one answer to a request.
func (r *rig) want(uid uint32, status codec.Status) {
	r.t.Helper()
	if got := r.answers[uid]; len(got) != 1 || got[0].status != status {
		r.t.Errorf("request %d: got %v, want one answer, %v", uid, got, status)
	}
}

// wantOpen holds that a request has no answer yet.
func (r *rig) wantOpen(uids ...uint32) {
	r.t.Helper()
	for _, uid := range uids {
		if got := r.answers[uid]; len(got) != 0 {
			r.t.Errorf("request %d: got %v, want no answer yet", uid, got)
		}
	}
}

// sent gives the commands of the batches under way to a server, as text.
func (r *rig) sent(address string) (all []string) {
	for _, b := range r.links[address].running {
		text := ""
		for i := range b.commands {
			text += b.text(&b.commands[i]) + ";"
		}
		all = append(all, text)
	}
	return all
}

func (b *batch) text(c *command) string {
	text := ""
	if c.asking {
		text = "ASKING "
	}
	text += [...]string{"GET", "SET", "DEL", "EXISTS"}[c.verb] + " " + string(b.cut(c.key))
	if c.verb == set {
		text += fmt.Sprintf(" %s NX PX %s", b.cut(c.value), b.cut(c.ttl))
	}
	return text
}
