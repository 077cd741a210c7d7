package stat

import "slices"

// Spread is what the rounds of one figure are like. Of no rounds at all, N is 0 and the rest too.
type Spread struct {
	N             int
	Median        float64
	Low, High     float64 // the least and the greatest
	Lower, Higher float64 // the quartiles
}

// Of sums up the values, in any order.
func Of(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	return Spread{
		N:      len(sorted),
		Median: quantile(sorted, 0.5),
		Low:    sorted[0],
		High:   sorted[len(sorted)-1],
		Lower:  quantile(sorted, 0.25),
		Higher: quantile(sorted, 0.75),
	}
}

// quantile interpolates between the two nearest values.
func quantile(sorted []float64, q float64) float64 {
	at := q * float64(len(sorted)-1)
	i := int(at)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	part := at - float64(i)
	return sorted[i]*(1-part) + sorted[i+1]*part
}

// Rounds are the values of one figure by round. A round that is missing was skipped, or failed.
type Rounds map[int]float64

// Spread sums the rounds up.
func (r Rounds) Spread() Spread {
	var values []float64
	for _, v := range r {
		values = append(values, v)
	}
	return Of(values)
}

// Ratio sums up the quotients of a and b.
func Ratio(a, b Rounds) Spread { return Of(Quotients(a, b)) }

// Quotients divides a by b round by round: what drifts from round to round, as the machine's clock does, is in both and
// cancels. A round that is missing in either, or 0 in b, is left out.
func Quotients(a, b Rounds) []float64 {
	var quotients []float64
	for round, value := range a {
		if divisor, ok := b[round]; ok && divisor != 0 {
			quotients = append(quotients, value/divisor)
		}
	}
	return quotients
}

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
