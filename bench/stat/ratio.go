package stat

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

// Ratio divides a by b round by round, and sums up the quotients: what drifts from round to round, as the machine's
// clock does, is in both and cancels. A round that is missing in either, or 0 in b, is left out.
func Ratio(a, b Rounds) Spread {
	var quotients []float64
	for round, value := range a {
		if divisor, ok := b[round]; ok && divisor != 0 {
			quotients = append(quotients, value/divisor)
		}
	}
	return Of(quotients)
}
