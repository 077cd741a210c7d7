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
