package upstream

import (
	"fmt"
	"strings"
	"testing"

	"distcache/codec"
	"distcache/engine/deadline"
)

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

// TestArrangeAfterStop: nothing is connected to any more, and no request has a connection to hope for.
func TestArrangeAfterStop(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.Stop(f.now)
	f.arrange("abc")
	if !f.Settled() || len(f.Members()) != 2 {
		t.Errorf("got settled %v and %d servers after Stop, want true and 2", f.Settled(), len(f.Members()))
	}
}
