package histogram

import (
	"math/bits"
	"time"
)

const (
	// stepBits is the logarithm of how many buckets a power of two has.
	stepBits = 4
	steps    = 1 << stepBits
	// grain is the logarithm of the width of the first buckets, in nanoseconds: 256 ns.
	grain = 8
	// octaves is how many powers of two there are above the first buckets: up to 69 s. What
	// takes longer is counted in the last bucket.
	octaves = 24
	// Size is the number of buckets.
	Size = (octaves + 1) * steps
)

// Histogram counts durations. The zero value is empty. It is a value: an assignment copies it.
// It belongs to one goroutine.
type Histogram struct {
	Buckets [Size]uint64
	Sum     time.Duration
}

// Observe counts d. A negative d counts as 0.
func (h *Histogram) Observe(d time.Duration) {
	d = max(d, 0)
	h.Sum += d
	h.Buckets[index(d)]++
}

// ObserveMany counts n durations of d.
func (h *Histogram) ObserveMany(d time.Duration, n uint64) {
	h.Sum += d * time.Duration(n)
	h.Buckets[index(d)] += n
}

// index is the bucket of d, which is not negative.
func index(d time.Duration) int {
	v := uint64(d) >> grain
	if v < steps {
		return int(v)
	}
	octave := bits.Len64(v) - stepBits
	return min(octave*steps+int(v>>(octave-1))&(steps-1), Size-1)
}

// Upper is the greatest duration of bucket i. That of the last bucket is a number like the
// others, though what is longer is counted there too.
func Upper(i int) time.Duration {
	if i < steps {
		return time.Duration(i+1)<<grain - 1
	}
	octave := i / steps
	return time.Duration(i%steps+steps+1)<<(octave-1+grain) - 1
}

// Count is the number of observations.
func (h *Histogram) Count() uint64 {
	n := uint64(0)
	for _, b := range h.Buckets {
		n += b
	}
	return n
}

// CountUpTo is the number of observations in the buckets that end before d. It is exact where d
// is the least duration of a bucket, as each power of two nanoseconds from 256 is.
func (h *Histogram) CountUpTo(d time.Duration) uint64 {
	n := uint64(0)
	for i, b := range h.Buckets {
		if Upper(i) >= d {
			break
		}
		n += b
	}
	return n
}

// Quantile is the upper end of the bucket that has the q-th part of the observations below or in
// it, q from 0 to 1. ok is false when there are none.
func (h *Histogram) Quantile(q float64) (d time.Duration, ok bool) {
	total := h.Count()
	if total == 0 {
		return 0, false
	}
	rank := max(1, uint64(q*float64(total)+0.5))
	for i, b := range h.Buckets {
		if b >= rank {
			return Upper(i), true
		}
		rank -= b
	}
	return Upper(Size - 1), true
}

// Add adds what other counts.
func (h *Histogram) Add(other *Histogram) {
	for i, b := range other.Buckets {
		h.Buckets[i] += b
	}
	h.Sum += other.Sum
}

// Since is what h counts and earlier, a former state of it, does not.
func (h *Histogram) Since(earlier *Histogram) *Histogram {
	d := &Histogram{Sum: h.Sum - earlier.Sum}
	for i := range h.Buckets {
		d.Buckets[i] = h.Buckets[i] - earlier.Buckets[i]
	}
	return d
}

// SizesBuckets is the number of buckets of Sizes: the last one has 65,536 and all that is more.
const SizesBuckets = 17

// Sizes counts sizes, such as the requests of a write: bucket i has those up to 1<<i, and more than
// half of that. The zero value is empty. It is a value: an assignment copies it. It belongs to one
// goroutine.
type Sizes struct {
	Buckets [SizesBuckets]uint64
	Sum     uint64
}

// Observe counts n. It counts nothing for 0.
func (s *Sizes) Observe(n uint32) {
	if n == 0 {
		return
	}
	s.Sum += uint64(n)
	s.Buckets[min(bits.Len32(n-1), SizesBuckets-1)]++
}

// Count is the number of observations.
func (s *Sizes) Count() uint64 {
	n := uint64(0)
	for _, b := range s.Buckets {
		n += b
	}
	return n
}

// Quantile is the upper end of the bucket that has the q-th part of the observations below or in
// it, q from 0 to 1; 0 when there are none.
func (s *Sizes) Quantile(q float64) uint64 {
	rank := max(1, uint64(q*float64(s.Count())+0.5))
	for i, b := range s.Buckets {
		if b >= rank {
			return 1 << i
		}
		rank -= b
	}
	return 0
}

// Add adds what other counts.
func (s *Sizes) Add(other *Sizes) {
	for i, b := range other.Buckets {
		s.Buckets[i] += b
	}
	s.Sum += other.Sum
}
