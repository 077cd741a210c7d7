package store

import (
	"distcache/engine/deadline"
	"testing"
	"time"
	"unsafe"
)

func TestAContenderIsTwelveBytes(t *testing.T) {
	if got := unsafe.Sizeof(contender{}); got != 12 {
		t.Errorf("size of a contender: got %d, want 12", got)
	}
}

func TestLevelsNarrowDownToOneWinner(t *testing.T) {
	for _, test := range []struct {
		sessions, levels, contenders int
	}{
		{1, 2, 64},
		{32, 2, 64},
		{33, 3, 128},
		{1024, 3, 1024 + 32 + 32},
		{1025, 4, 1056 + 64 + 32 + 32},
		{1 << 20, 5, 1<<20 + 1<<15 + 1<<10 + 1<<5 + 32},
	} {
		e, err := newExpiry(test.sessions)
		if err != nil {
			t.Fatal(err)
		}
		if len(e.levels) != test.levels || len(e.memory) != test.contenders {
			t.Errorf("%d sessions: got %d levels of %d, want %d of %d", test.sessions, len(e.levels), len(e.memory), test.levels, test.contenders)
		}
		if got := e.soonest(); got != deadline.Never {
			t.Errorf("%d sessions: got the soonest expiry %v, want deadline.Never", test.sessions, got)
		}
		if err := unmapSlice(e.memory); err != nil {
			t.Error(err)
		}
	}
}

// TestTheOlderWinsAcrossTheWrapOfTheTurn adds equals while the bits of the turn wrap.
func TestTheOlderWinsAcrossTheWrapOfTheTurn(t *testing.T) {
	e, err := newExpiry(100)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unmapSlice(e.memory) }()
	e.turn = ^uint16(0) - 40
	for n := range 100 {
		e.insert(time.Second, ref(n))
	}
	for want := range ref(100) {
		leaf := e.winner().index
		if got := e.ref(leaf); got != want {
			t.Fatalf("winner: got session %d, want %d", got, want)
		}
		e.remove(leaf)
	}
}

func TestLeavesAreUsedAgain(t *testing.T) {
	e, err := newExpiry(10)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unmapSlice(e.memory) }()
	for n := range 1000 {
		a := e.insert(time.Duration(n), 1)
		b := e.insert(time.Duration(n), 2)
		e.remove(a)
		e.remove(b)
	}
	if e.used != 2 {
		t.Errorf("leaves used for two sessions at a time: got %d, want 2", e.used)
	}
}
