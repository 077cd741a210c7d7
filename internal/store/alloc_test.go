//go:build !race

package store

import (
	"testing"
	"time"
)

// TestNothingIsAllocated also shows that the garbage collector has nothing to do here.
func TestNothingIsAllocated(t *testing.T) {
	for _, kept := range []bool{false, true} {
		nothingIsAllocated(t, kept)
	}
}

func nothingIsAllocated(t *testing.T, kept bool) {
	const sessions = 10_000
	m := newMemory(t, Config{MaxSessions: sessions, Kept: kept})
	fill(t, m, sessions, 180, func(int) time.Duration { return time.Hour })
	id, data := make([]byte, benchIDLen), make([]byte, 3000)
	known, unknown := numberedID(make([]byte, benchIDLen), sessions-1), make([]byte, benchIDLen)
	ids := [][]byte{known, unknown}
	n, now := uint64(sessions), time.Duration(sessions)
	for _, test := range []struct {
		name string
		run  func()
	}{
		{"View, hit", func() { m.View(known, now) }},
		{"View, miss", func() { m.View(unknown, now) }},
		{"Have", func() { m.Have(known, now) }},
		{"Announce", func() { m.Announce(ids) }},
		{"Add, exists", func() { m.Add(known, data, time.Hour, now) }},
		{"Add, evicts, sizes vary", func() {
			m.Add(numberedID(id, n), data[:1+n*977%3000], time.Hour, now)
			n++
		}},
		{"Remove", func() { m.Remove(numberedID(id, n-1), now); n-- }},
		{"Expire", func() { now += time.Hour + 1; m.Expire(now, 1) }},
		{"Deadline", func() { m.Deadline() }},
		{"Stats", func() { m.Stats() }},
	} {
		if got := testing.AllocsPerRun(2000, test.run); got != 0 {
			t.Errorf("%s, kept %v: got %v allocations, want 0", test.name, kept, got)
		}
	}
	s := m.Stats()
	if s.Evicted < 1000 || s.Removed < 1000 || s.Expired < 1000 {
		t.Errorf("got %+v, want that each operation did its work", s)
	}
}
