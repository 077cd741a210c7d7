package histogram

import (
	"slices"
	"testing"
)

func TestSizes(t *testing.T) {
	var s Sizes
	if s.Observe(0); s.Count() != 0 || s.Quantile(0.5) != 0 {
		t.Errorf("empty: got %+v", s)
	}
	for _, n := range []uint32{1, 2, 3, 4, 5, 8, 9, 1 << 16, 1<<16 + 1, 1<<32 - 1} {
		s.Observe(n)
	}
	want := []uint64{1, 1, 2, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3}
	if !slices.Equal(s.Buckets[:], want) || s.Count() != 10 || s.Sum != 32+1<<16+1<<16+1+1<<32-1 {
		t.Errorf("got %+v", s)
	}
	var both Sizes
	both.Add(&s)
	both.Add(&s)
	for q, want := range map[float64]uint64{0: 1, 0.1: 1, 0.2: 2, 0.4: 4, 0.7: 16, 1: 1 << 16} {
		if got := both.Quantile(q); got != want {
			t.Errorf("quantile %v: got %d, want %d", q, got, want)
		}
	}
}
