package upstream

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
)

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

// TestArrangeTheWayToAServer: one that is connected to in another way, as by TLS, is connected to anew, and has the same share.
func TestArrangeTheWayToAServer(t *testing.T) {
	f := newFleet(t, true, "ab")
	f.up("a")
	f.up("b")
	before := fmt.Sprint(shares(f))
	f.arrange("aB")
	f.mustBe("aU BC", "")
	if got := fmt.Sprint(shares(f)); got != before || f.wires["b"].closes != 1 {
		t.Errorf("got other shares: %v, and b closed %d times, want the same and once", got != before, f.wires["b"].closes)
	}
}

// TestArrangeTheSame: a list that is read again changes no time of an attempt.
func TestArrangeTheSame(t *testing.T) {
	f := newFleet(t, false, "ab")
	f.down("a")
	f.down("b")
	f.arrange("ab")
	f.mustBe("aD bD", "")
}
