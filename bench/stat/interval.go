package stat

import "slices"

// Interval returns the bounds between which the true median lies with at least that confidence (0.99, say), whatever the
// values are distributed like. They are two of the values: the k-th smallest and the k-th largest. The true median is
// below the k-th smallest as often as fewer than k of n tosses of a coin are heads. It returns false when there are too
// few values to be so sure: 0.99 takes 8.
func Interval(values []float64, confidence float64) (low, high float64, ok bool) {
	n := len(values)
	k := 0
	probability := 1.0 // of k heads; the sum of those before it is what is outside on one side
	for range n {
		probability /= 2
	}
	for outside := probability; k < n/2 && 2*outside <= 1-confidence; outside += probability {
		k++
		probability *= float64(n-k+1) / float64(k)
	}
	if k == 0 {
		return 0, 0, false
	}
	sorted := slices.Sorted(slices.Values(values))
	return sorted[k-1], sorted[n-k], true
}
