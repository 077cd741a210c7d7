package store

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestClassesWasteLittle(t *testing.T) {
	c := newClasses()
	if got := c.largest().size; got < maxRecord {
		t.Fatalf("largest class: got %d bytes, want at least %d", got, maxRecord)
	}
	for size := recordSize(1, 1); size <= maxRecord; size++ {
		class := c.of(size)
		if class.size < size || int(class.cost) < class.size || class.size%refUnit != 0 || class.size*class.slots > pageSize {
			t.Fatalf("record of %d bytes: got class of %d, %d in a page", size, class.size, class.slots)
		}
		waste := int(class.cost) - size
		if most := mostWaste(size); waste < 0 || waste > most {
			t.Fatalf("record of %d bytes: got %d bytes wasted, want 0 to %d", size, waste, most)
		}
	}
	if got := len(c.list); got < 100 || got > 255 {
		t.Errorf("got %d classes, want 100 to 255", got)
	}
}

// mostWaste is what a record of size bytes may waste, in bytes.
func mostWaste(size int) int {
	switch {
	case size <= 1024:
		return refUnit + 2
	case size <= 16384:
		return size * 65 / 1000
	}
	return size * 145 / 1000
}

func TestEmptyPagesServeOtherSizesAndGoBack(t *testing.T) {
	m := newMemory(t, Config{MaxSessions: 40_000})
	p := &m.slab.pages
	fill(t, m, 40_000, 450, func(int) time.Duration { return time.Second })
	fresh, full := p.fresh, p.resident
	if full < 40_000*480 {
		t.Fatalf("resident with 40,000 sessions: got %d bytes", full)
	}
	m.Expire(time.Hour, 40_000)
	if got := p.resident; got == 0 || got > warmPages*pageSize {
		t.Errorf("resident with none: got %d bytes, want at most %d and not 0", got, warmPages*pageSize)
	}
	fill(t, m, 10_000, 1800, func(int) time.Duration { return time.Second })
	if got := p.fresh; got > fresh+1 {
		t.Errorf("pages taken when other sizes came: got %d, want at most %d", got, fresh+1)
	}
	checkInvariants(t, m, Config{MaxSessions: 40_000})
}

// TestChangingSizesKeepMemoryBounded lets the mix of sizes drift to and fro, which
// strands memory in stores that never take a page from a size again.
func TestChangingSizesKeepMemoryBounded(t *testing.T) {
	const limit = 24 << 20
	c := Config{MaxSessions: 200_000, MaxBytes: limit}
	m := newMemory(t, c)
	rng := kit.Random(t)
	id, data := make([]byte, benchIDLen), make([]byte, codec.MaxDataLen)
	n := uint64(0)
	for round, mean := range kit.Sized([]int{9000, 150, 2000}, []int{150, 2000, 300, 9000, 180, 15_000, 150, 1000}) {
		for added := 0; added < 2*limit; n++ {
			size := mean/2 + rng.IntN(mean)
			added += size
			m.Add(numberedID(id, n), data[:size], time.Hour, time.Duration(n)*time.Microsecond)
		}
		s := m.Stats()
		slab := s.Memory - c.index()
		if s.Evicted == 0 || s.Bytes < limit*3/4 {
			t.Errorf("round %d: got %d bytes of sessions, %d evicted, want a full store", round, s.Bytes, s.Evicted)
		}
		// A page for each class that is in use, and those that are kept for the next.
		if most := int64(limit + (110+warmPages)*pageSize); slab < limit*3/4 || slab > most {
			t.Errorf("round %d: got %d bytes of slab for sessions of about %d, want at most %d", round, slab, mean, most)
		}
	}
	checkInvariants(t, m, c)
}
