package metrics

import "distcache/engine/histogram"

// Span is two sets of one process, and what happened between them.
type Span struct {
	Then, Now *Set
}

// Seconds is how long it is.
func (p Span) Seconds() float64 { return p.Now.at.Sub(p.Then.at).Seconds() }

// Grew is by how much a total grew; see Set.Total.
func (p Span) Grew(name string, labels ...string) float64 {
	return p.Now.Total(name, labels...) - p.Then.Total(name, labels...)
}

// Rate is Grew per second.
func (p Span) Rate(name string, labels ...string) float64 {
	if s := p.Seconds(); s > 0 {
		return p.Grew(name, labels...) / s
	}
	return 0
}

// Times gives the durations between the two sets.
func (p Span) Times(name string) *histogram.Histogram {
	return p.Now.Times(name).Since(p.Then.Times(name))
}

// Series is a figure that the page plots: one value for each step of the history.
type Series struct {
	ID    string
	Title string // “Operations per second”
	Unit  Unit
	// Good tells whether more is better (1), worse (-1), or neither (0).
	Good int
	// Of computes the value of a span; ok is false where there is none, as a hit rate without
	// requests.
	Of func(p Span) (value float64, ok bool)
}

// RateOf plots how much a total grows per second.
func RateOf(name string, labels ...string) func(Span) (float64, bool) {
	return func(p Span) (float64, bool) { return p.Rate(name, labels...), true }
}

// ValueOf plots a gauge.
func ValueOf(name string, labels ...string) func(Span) (float64, bool) {
	return func(p Span) (float64, bool) { return p.Now.Total(name, labels...), true }
}

// QuantileOf plots a quantile of durations, in seconds.
func QuantileOf(name string, q float64) func(Span) (float64, bool) {
	return func(p Span) (float64, bool) {
		d, ok := p.Times(name).Quantile(q)
		return d.Seconds(), ok
	}
}

// ShareOf plots which part of two totals, which have the same name, one is.
func ShareOf(name string, part, rest []string) func(Span) (float64, bool) {
	return func(p Span) (float64, bool) {
		a, b := p.Grew(name, part...), p.Grew(name, rest...)
		if a+b <= 0 {
			return 0, false
		}
		return a / (a + b), true
	}
}
