package upstream

import (
	"encoding/binary"
	"fmt"
	"testing"
	"time"

	"distcache/codec"
)

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

// TestLossHasJitter: the first attempt waits a random time, and so do requests, for it is known that there is another server.
func TestLossHasJitter(t *testing.T) {
	f := newFleet(t, false, "abc")
	f.up("a")
	f.bringAlive("a", time.Minute)
	f.wires["a"].link.config.Random = func(b []byte) { binary.BigEndian.PutUint64(b, 1<<15) }
	lost := f.now
	f.down("a")
	f.at(lost + LossJitter/2 - 1)
	f.mustBe("aD bR cR", "")
	if f.Settled() {
		t.Error("got settled before b was tried")
	}
	f.at(lost + LossJitter/2)
	f.mustBe("aC bC cR", "")
	f.up("a")
	f.mustBe("aU bR cR", "a")
}

// TestLossPassesOverTheDead: a server that is known to be silent costs no time before the one that stands by is tried.
func TestLossPassesOverTheDead(t *testing.T) {
	f := newFleet(t, false, "abcd")
	f.down("a")
	f.down("b")
	f.up("c")
	f.bringAlive("c", time.Second)
	f.down("a")
	f.down("b")
	f.mustBe("aD bD cU dR", "c")
	f.down("c")
	f.mustBe("aC bC cD dC", "")
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

// TestStandbyKeepsItsRetry: to be left to rest is no failure, which would double the time to the next attempt.
func TestStandbyKeepsItsRetry(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.at(stagger)
	f.up("a") // the attempt to b ends
	f.down("a")
	f.down("b")
	f.at(f.now + FirstRetry)
	if got := f.wires["b"].link.State(); got != Connecting {
		t.Errorf("got b %v %v after its first failure, want it tried again", got, FirstRetry)
	}
}

// TestRestFreesMemory: late requests keep none, and those that are answered in later turns only until then.
func TestRestFreesMemory(t *testing.T) {
	for _, count := range []int{1, expirePerCall + 1} {
		r := &recorder{}
		w := &fleetWire{fleet: &fleet{}}
		s := New(Config{MaxInFlight: 2000, MaxBatch: 1 << 20, Timeout: 200 * ms, Retry: fleetRetry, Random: func(b []byte) { clear(b) },
			Late: func(Lateness) {}}, w, r, nowatch{})
		s.Start(0)
		s.link.state = Up
		for i := range count {
			m := request(uint32(i), codec.OpGet, "id")
			if err := s.Submit(Owner{}, &m, 0); err != nil {
				t.Fatal(err)
			}
		}
		s.mux.lateness.late(0, 0)
		s.Rest(0)
		s.Expire(0)
		if got := len(s.mux.slots.table); got != 0 {
			t.Errorf("%d requests: got a table of %d, want none", count, got)
		}
	}
}

// nowatch is a Watcher that does nothing.
type nowatch struct{}

func (nowatch) LinkChanged(_, _ State, _ error, _ time.Duration) {}
