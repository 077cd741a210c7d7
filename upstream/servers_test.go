package upstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// fleet is a list of servers whose connections only remember. Its servers are named a, b, c and so on.
type fleet struct {
	*Servers
	*recorder
	t       *testing.T
	now     time.Duration
	wires   map[string]*fleetWire
	serves  []string // what ServingChanged told
	changes []string // what MemberChanged told of Up and Down
}

// fleetWire is the connection to one server.
type fleetWire struct {
	link    *Link
	dials   []time.Duration
	fleet   *fleet
	closes  int
	written []byte
}

func (w *fleetWire) Drive(l *Link) { w.link = l }
func (w *fleetWire) Dial()         { w.dials = append(w.dials, w.fleet.now) }
func (w *fleetWire) Close()        { w.closes++ }
func (w *fleetWire) EndTurn()      {}

func (w *fleetWire) Write(b []byte) (int, error) {
	w.written = append(w.written, b...)
	return len(b), nil
}

const fleetRetry = 5 * time.Second

// newFleet is a started list of the servers that names has, one a letter.
func newFleet(t *testing.T, spread bool, names string) *fleet {
	f := &fleet{t: t, recorder: &recorder{}, wires: map[string]*fleetWire{}}
	f.Servers = NewServers(ServersConfig{Spread: spread, Retry: fleetRetry, Drain: 200 * ms, Random: func(b []byte) { clear(b) }}, f.recorder, f)
	f.arrange(names)
	f.Start(0)
	return f
}

// arrange changes the list.
func (f *fleet) arrange(names string) {
	f.Arrange(strings.Split(names, ""), func(name string) Spec {
		w := &fleetWire{fleet: f}
		f.wires[name] = w
		return Spec{Name: name, Transport: w, Config: Config{MaxInFlight: 1000, MaxBatch: 1 << 20, Timeout: 200 * ms, Retry: fleetRetry,
			Random: func(b []byte) { clear(b) }}}
	}, f.now)
}

// MemberChanged and ServingChanged implement Overseer.
func (f *fleet) MemberChanged(m *Member, _, to State, _ error, _ time.Duration) {
	if to == Up || to == Down {
		f.changes = append(f.changes, m.Name()+" "+to.String())
	}
}

func (f *fleet) ServingChanged(from, to *Member, _ time.Duration) {
	text := to.Name()
	if from != nil {
		text = from.Name() + ">" + text
	}
	f.serves = append(f.serves, text)
}

// up lets the attempt to a server succeed.
func (f *fleet) up(name string) {
	f.t.Helper()
	w := f.wires[name]
	if w.link.State() != Connecting {
		f.t.Fatalf("%s is %v at %v, want it connecting", name, w.link.State(), f.now)
	}
	w.link.Connected(f.now)
	w.written = nil
	f.bring(name, codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
}

func (f *fleet) bring(name string, b []byte) {
	w := f.wires[name]
	w.link.Received(copy(w.link.Buffer(), b), f.now)
	f.Flush(f.now)
}

// down ends the connection, or the attempt.
func (f *fleet) down(name string) {
	f.wires[name].link.Broken(errTest, f.now)
	f.Flush(f.now)
}

// at moves the clock on, with each deadline met.
func (f *fleet) at(now time.Duration) {
	f.t.Helper()
	for n := 0; f.Deadline() <= now; n++ {
		if n > 10_000 {
			f.t.Fatalf("the deadline stays at %v: the loop spins", f.Deadline())
		}
		f.now = max(f.now, f.Deadline())
		f.Expire(f.now)
		f.Flush(f.now)
	}
	f.now = now
}

// ask submits a GET for an owner, and gives its uid on the wire; ok is false when there is no connection.
func (f *fleet) ask(owner int, id string) error {
	m := request(uint32(owner), codec.OpGet, id)
	err := f.Submit(Owner{Client: int32(owner)}, &m, f.now)
	f.Flush(f.now)
	return err
}

// answer lets a server answer the one request that it was sent since.
func (f *fleet) answer(name, payload string) {
	f.t.Helper()
	w, a := f.wires[name], codec.Assembler{}
	m, err := a.Next(w.written)
	if err != nil {
		f.t.Fatalf("%s got %x, %v, want a request", name, w.written, err)
	}
	w.written = nil
	f.bring(name, codec.AppendMessage(nil, codec.Response, m.UID, m.Op, []byte(payload)))
}

// states are those of all members, in order: U up, C connecting, P probing, R resting, D down.
func (f *fleet) states() string {
	text := ""
	for _, m := range f.Members() {
		switch {
		case m.Resting():
			text += m.name + "R "
		default:
			text += m.name + strings.ToUpper(m.State().String()[:1]) + " "
		}
	}
	return strings.TrimSpace(text)
}

func (f *fleet) mustBe(states, serving string) {
	f.t.Helper()
	got := ""
	if s := f.Serving(); s != nil {
		got = s.Name()
	}
	if f.states() != states || got != serving {
		f.t.Errorf("at %v: got %q and %q serves, want %q and %q", f.now, f.states(), got, states, serving)
	}
}

// TestFirstThatAnswersServes: attempts begin in order, the next one when one has failed, or after a while.
func TestFirstThatAnswersServes(t *testing.T) {
	f := newFleet(t, false, "abc")
	f.mustBe("aC bR cR", "")
	f.down("a")
	f.mustBe("aD bC cR", "")
	if f.Settled() {
		t.Error("got settled while b may answer")
	}
	f.up("b")
	f.mustBe("aD bU cR", "b")
	f.at(stagger) // a is better: it is tried
	f.mustBe("aC bU cR", "b")

	f = newFleet(t, false, "abc")
	f.at(stagger)
	f.mustBe("aC bC cR", "")
	f.at(2 * stagger)
	f.mustBe("aC bC cC", "")
	f.up("c")
	f.mustBe("aC bC cU", "c")
	f.up("a")
	f.mustBe("aU bR cR", "a")
	if got := fmt.Sprint(f.serves); got != "[c c>a]" {
		t.Errorf("got %s, want first c, then a", got)
	}
}

// TestAllDown: when each attempt has failed that is known, and each is tried again by itself.
func TestAllDown(t *testing.T) {
	f := newFleet(t, false, "abc")
	for _, name := range []string{"a", "b", "c"} {
		if f.Settled() {
			t.Fatal("got settled before each was tried")
		}
		f.down(name)
	}
	if !f.Settled() {
		t.Error("got not settled, and all have failed")
	}
	f.mustBe("aD bD cD", "")
	f.at(stagger)
	f.mustBe("aC bC cC", "")
}

// TestLossTriesTheNextAtOnce: beside the one that was lost, which is connected to again.
func TestLossTriesTheNextAtOnce(t *testing.T) {
	f := newFleet(t, false, "abc")
	f.up("a")
	f.mustBe("aU bR cR", "a")
	f.bringAlive("a", time.Minute)
	if err := f.ask(1, "id"); err != nil {
		t.Fatal(err)
	}
	f.down("a")
	f.mustHave(t, answer{1, 1, codec.OpGet, disconnected})
	f.mustBe("aD bC cR", "")
	f.down("b")
	f.at(f.now)
	f.mustBe("aC bD cC", "")
	f.up("c")
	f.mustBe("aC bD cU", "c")
	f.up("a")
	f.mustBe("aU bR cR", "a")
	f.bringAlive("a", time.Hour)
	if got := len(f.wires["b"].dials); got != 1 {
		t.Errorf("got %d attempts to b, want no more while a serves", got)
	}
}

// TestTakeOverFailsNoRequest: what is in flight ends on the old connection, and new requests go to the better server.
func TestTakeOverFailsNoRequest(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.down("a")
	f.up("b")
	_ = f.ask(1, "before")
	f.at(stagger)
	f.up("a")
	_ = f.ask(2, "after")
	f.mustBe("aU bU", "a")
	f.answer("b", "from b")
	f.answer("a", "from a")
	f.mustHave(t, answer{1, 1, codec.OpGet, "from b"}, answer{2, 2, codec.OpGet, "from a"})
	f.mustBe("aU bR", "a")
	if f.wires["b"].closes != 1 {
		t.Errorf("got the connection to b closed %d times, want once", f.wires["b"].closes)
	}
}

// TestTakeOverBoundsTheOld: a server that never answers is waited for no longer than Drain, and its late answer reaches no one.
func TestTakeOverBoundsTheOld(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.down("a")
	f.up("b")
	f.at(stagger)
	_ = f.ask(1, "before")
	f.up("a")
	f.at(stagger + 200*ms)
	f.mustHave(t, answer{1, 1, codec.OpGet, disconnected})
	f.mustBe("aU bR", "a")
}

// TestLostWhileTheOldStillAnswers: the connection that is about to end serves again.
func TestLostWhileTheOldStillAnswers(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.down("a")
	f.up("b")
	f.at(stagger)
	_ = f.ask(1, "before")
	f.up("a")
	f.down("a")
	if f.Serving() == nil || f.Serving().Name() != "b" || len(f.wires["b"].dials) != 1 {
		t.Fatalf("got %s, want b to serve again over its connection", f.states())
	}
	f.answer("b", "from b")
	f.mustHave(t, answer{1, 1, codec.OpGet, "from b"})
	f.bringAlive("b", time.Second)
	f.mustBe("aD bU", "b")
	f.bringAlive("b", fleetRetry)
	f.mustBe("aC bU", "b") // it was kept from taking over, and not forgotten
}

// TestFlapping: a better server that answers its probe and dies at once takes over ever more seldom: the time doubles.
// When it has lasted, that is forgotten.
func TestFlapping(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.up("a")
	f.down("a")
	f.up("b")
	var overs []time.Duration
	for f.now < time.Hour {
		f.bringAlive("b", 10*ms)
		if f.wires["a"].link.State() != Connecting {
			continue
		}
		f.up("a")
		overs = append(overs, f.now)
		f.at(f.now + 10*ms)
		f.down("a")
		f.at(f.now)
		f.up("b")
	}
	for i := 1; i < len(overs); i++ {
		if want := min(fleetRetry<<i, longestHold); overs[i]-overs[i-1] < want {
			t.Errorf("got take-over %d after %v, want %v at least", i, overs[i]-overs[i-1], want)
		}
	}
	if len(overs) < 10 || len(overs) > 20 {
		t.Errorf("got %d take-overs in an hour, want the server not to be given up, and not to be tried often: %v", len(overs), overs)
	}
	for f.wires["a"].link.State() != Connecting {
		f.bringAlive("b", 10*ms)
	}
	f.up("a")
	f.bringAlive("a", longestHold)
	f.down("a")
	f.at(f.now)
	f.mustBe("aC bC", "") // at once
}

// bringAlive lets time pass while the server answers the probes of the idle connection.
func (f *fleet) bringAlive(name string, d time.Duration) {
	for until := f.now + d; f.now < until; {
		f.at(f.now + min(d, time.Second))
		if len(f.wires[name].written) > 0 {
			f.answer(name, "\x01")
		}
	}
}

// TestIdleConnectionsAreClosedAtOnce: no standby connection remains.
func TestIdleConnectionsAreClosedAtOnce(t *testing.T) {
	f := newFleet(t, false, "abc")
	f.at(2 * stagger)
	for _, name := range []string{"c", "b", "a"} {
		f.up(name)
	}
	f.mustBe("aU bR cR", "a")
	if f.wires["b"].closes != 1 || f.wires["c"].closes != 1 {
		t.Error("a connection to a server that does not serve is still there")
	}
}

// TestSpreadLosesOneShare: each session has its server; while that is lost its requests find no connection, and those of the
// others do.
func TestSpreadLosesOneShare(t *testing.T) {
	f := newFleet(t, true, "abc")
	if f.Settled() {
		t.Error("got settled before each was tried")
	}
	for _, name := range []string{"a", "b", "c"} {
		f.up(name)
	}
	f.mustBe("aU bU cU", "")
	refused := func() (count int) {
		for i, id := range someIDs(300) {
			if f.ask(i, string(id)) != nil {
				count++
			}
		}
		f.at(f.now + 200*ms) // nobody answers
		return count
	}
	if got := refused(); got != 0 {
		t.Errorf("got %d requests refused with all servers up", got)
	}
	share := strings.Count(fmt.Sprint(shares(f)), "1")
	f.down("b")
	if got := refused(); got != share || share < 60 || share > 140 {
		t.Errorf("got %d of 300 requests refused without b, want its share, %d", got, share)
	}
	f.at(f.now + stagger)
	f.up("b")
	if got := refused(); got != 0 {
		t.Errorf("got %d requests refused with b back", got)
	}
}

// shares gives the index of the server of each of someIDs(300).
func shares(f *fleet) (all []int) {
	for _, id := range someIDs(300) {
		all = append(all, f.share.choose(id))
	}
	return all
}

// TestArrange: a list that changes while it is in use, by failover.
func TestArrange(t *testing.T) {
	for _, row := range []struct {
		name, before, up, after, states, serving string
	}{
		{"the same", "ab", "a", "ab", "aU bR", "a"},
		{"one more at the end", "a", "a", "ab", "aU bR", "a"},
		{"one more in front", "b", "b", "ab", "aC bU", "b"},
		{"the other order", "ab", "a", "ba", "bC aU", "a"},
		{"one that rests is removed", "abc", "a", "ac", "aU cR", "a"},
		{"the one that serves is removed", "abc", "a", "bc", "bC cC aU", "a"},
		{"all are others", "ab", "a", "cd", "cC dC aU", "a"},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFleet(t, false, row.before)
			f.up(row.up)
			f.at(time.Second)
			f.arrange(row.after)
			f.at(f.now)
			f.mustBe(row.states, row.serving)
			if strings.Contains(row.after, row.serving) {
				return
			}
			_ = f.ask(1, "in flight")
			f.up(row.after[:1])
			f.answer(row.serving, "the old one's")
			f.mustHave(t, answer{1, 1, codec.OpGet, "the old one's"})
			f.at(f.now)
			if f.Serving().Name() != row.after[:1] || len(f.Members()) != len(row.after) || f.wires[row.serving].closes != 1 {
				t.Errorf("got %s, want %s to serve and %s to be gone", f.states(), row.after[:1], row.serving)
			}
		})
	}
}

// TestArrangeLosesTheOldOne: a server that is not on the list any more is not connected to again.
func TestArrangeLosesTheOldOne(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.up("a")
	f.arrange("b")
	f.down("a")
	f.at(time.Minute)
	if got := len(f.Members()); got != 1 || len(f.wires["a"].dials) != 1 {
		t.Errorf("got %s, want b alone", f.states())
	}
}

// TestArrangeSpread: a server that is removed gets no more requests, and answers what it was asked.
func TestArrangeSpread(t *testing.T) {
	f := newFleet(t, true, "ab")
	f.up("a")
	f.up("b")
	id := string(someIDs(300)[slices.Index(shares(f), 0)])
	_ = f.ask(1, id)
	f.arrange("bc")
	f.up("c")
	f.mustBe("bU cU", "")
	if err := f.ask(2, id); err != nil || len(f.wires["b"].written)+len(f.wires["c"].written) == 0 {
		t.Errorf("got %v, want the request to go to another server", err)
	}
	f.answer("a", "the old one's")
	f.mustHave(t, answer{1, 1, codec.OpGet, "the old one's"})
	if f.wires["a"].closes != 1 {
		t.Error("the connection to a is still there")
	}
}

// TestNoServersYet: requests of the time before the first name is resolved find no connection.
func TestNoServersYet(t *testing.T) {
	f := &fleet{t: t, recorder: &recorder{}, wires: map[string]*fleetWire{}}
	f.Servers = NewServers(ServersConfig{Retry: fleetRetry, Random: func(b []byte) { clear(b) }}, f.recorder, f)
	f.Start(0)
	copy(f.Tail(), "bytes")
	if err := f.ask(1, "id"); err != ErrNotUp || f.Settled() || f.Deadline() != deadline.Never {
		t.Errorf("got %v, settled %v, want %v", err, f.Settled(), ErrNotUp)
	}
	f.Consumed(5)
	f.arrange("a")
	f.up("a")
	f.mustBe("aU", "a")
}

// TestStopEndsAll at each stage.
func TestStopEndsAll(t *testing.T) {
	f := newFleet(t, false, "abc")
	f.at(stagger)
	f.up("b")
	_ = f.ask(1, "id")
	f.up("a")
	f.arrange("cd")
	f.Stop(f.now)
	f.mustHave(t, answer{1, 1, codec.OpGet, disconnected})
	if f.Deadline() != deadline.Never {
		t.Errorf("got something due at %v after Stop", f.Deadline())
	}
	for name, w := range f.wires {
		if w.closes != len(w.dials) {
			t.Errorf("%s: got %d attempts and %d ends", name, len(w.dials), w.closes)
		}
	}
}
