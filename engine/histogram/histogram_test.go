package histogram

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestBucketsFollowEachOther(t *testing.T) {
	least := time.Duration(0)
	for i := range Size {
		if got := index(least); got != i {
			t.Fatalf("bucket of %d ns: got %d, want %d", least, got, i)
		}
		if got := index(Upper(i)); got != i {
			t.Fatalf("bucket of %d ns, the greatest of %d: got %d", Upper(i), i, got)
		}
		if width := Upper(i) + 1 - least; i >= steps && width*steps > least {
			t.Fatalf("bucket %d from %d ns is %d ns wide, want a sixteenth", i, least, width)
		}
		least = Upper(i) + 1
	}
	if got := index(time.Hour); got != Size-1 {
		t.Errorf("bucket of an hour: got %d, want the last", got)
	}
	if least < time.Minute {
		t.Errorf("the buckets end at %v, want over a minute", least)
	}
}

func TestQuantiles(t *testing.T) {
	var h Histogram
	if _, ok := h.Quantile(0.5); ok {
		t.Error("an empty histogram has a median")
	}
	for i := range 1000 {
		h.Observe(time.Duration(i+1) * time.Millisecond)
	}
	for _, row := range []struct {
		q    float64
		want time.Duration
	}{{0, time.Millisecond}, {0.5, 500 * time.Millisecond}, {0.99, 990 * time.Millisecond}, {1, time.Second}} {
		got, ok := h.Quantile(row.q)
		if !ok || got < row.want || got > row.want+row.want/8 {
			t.Errorf("quantile %v: got %v, want %v or up to an eighth more", row.q, got, row.want)
		}
	}
	if h.Count() != 1000 || h.Sum != 500500*time.Millisecond {
		t.Errorf("got %d observations of %v in all", h.Count(), h.Sum)
	}
}

func TestCountUpToIsExactAtPowersOfTwo(t *testing.T) {
	var h Histogram
	random := rand.New(rand.NewPCG(1, 2))
	var all []time.Duration
	for range 5000 {
		d := time.Duration(random.Uint64() >> (20 + random.IntN(40)))
		all = append(all, d)
		h.Observe(d)
	}
	for shift := grain; shift < 36; shift++ {
		bound, want := time.Duration(1)<<shift, uint64(0)
		for _, d := range all {
			if d < bound {
				want++
			}
		}
		if got := h.CountUpTo(bound); got != want {
			t.Errorf("under %v: got %d, want %d", bound, got, want)
		}
	}
}

func TestAddAndSince(t *testing.T) {
	var h Histogram
	h.Observe(time.Second)
	h.Observe(-time.Second)
	earlier := h
	h.ObserveMany(time.Millisecond, 3)
	since := h.Since(&earlier)
	if since.Count() != 3 || since.Sum != 3*time.Millisecond {
		t.Errorf("got %d observations of %v since, want 3 of 3ms", since.Count(), since.Sum)
	}
	since.Add(&earlier)
	if *since != h {
		t.Error("what was before and since is not the whole")
	}
}

func TestObserveAllocatesNothing(t *testing.T) {
	var h Histogram
	if n := testing.AllocsPerRun(100, func() { h.Observe(time.Millisecond) }); n != 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	b.ReportAllocs()
	var h Histogram
	d := time.Duration(0)
	for b.Loop() {
		h.Observe(d)
		d = (d + 12345) & (1<<28 - 1)
	}
}

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
