package store

import (
	"distcache/engine/deadline"
	"testing"
	"time"
)

// TestWarmReadsNothingBeyondTheArena asks for what would be a record in the last bytes
// that may be touched: one byte further and the process would end.
func TestWarmReadsNothingBeyondTheArena(t *testing.T) {
	m := newMemory(t, Config{MaxSessions: 1000})
	last := m.slab.pages.arena[m.slab.pages.opened-refUnit:][:refUnit]
	last[0], last[refUnit-1] = 1, 2
	if got, want := m.slab.warm(ref(m.slab.pages.opened/refUnit-1)), uint8(1+2*(warmLines-1)); got != want {
		t.Errorf("sum of what was read: got %d, want %d", got, want)
	}
	clear(last)
}

func TestWarmReadsOnlyInALargeStore(t *testing.T) {
	m := newMemory(t, Config{MaxSessions: 10_000})
	id := []byte("one")
	mustAdd(t, m, string(id), "x", deadline.Never, 0)
	m.Announce([][]byte{id})
	if m.warmed != 0 {
		t.Errorf("sum of what was read in a small store: got %d, want 0", m.warmed)
	}
	fill(t, m, 9_999, 180, func(int) time.Duration { return time.Hour })
	for n := uint64(0); n < 100 && m.warmed == 0; n++ { // the sum of one is 0 now and then
		m.Announce([][]byte{numberedID(make([]byte, benchIDLen), n), nil, make([]byte, 1000)})
	}
	if m.warmed == 0 {
		t.Error("sum of what was read in a large store: got 0, want something")
	}
}
