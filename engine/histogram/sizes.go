package histogram

import "math/bits"

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
