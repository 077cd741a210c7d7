package metrics

import (
	"fmt"

	"distcache/engine/histogram"
)

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

const (
	// HistorySteps is how many values of each series are kept; the oldest goes when a new one
	// comes. With HistoryStep they make a quarter of an hour.
	HistorySteps = 180
	// spanSteps is the number of steps between two sets that are kept for Span, and spanSets is
	// how many of these there are: a quarter of an hour, too.
	spanSteps = 12
	spanSets  = HistorySteps / spanSteps
)

// history is what the process remembers of its figures. It is bounded, and takes some 600 KB.
type history struct {
	series []Series
	points [][]*float64 // by series: the oldest first; nil: no value
	last   *Set         // of the last step
	steps  int
	sets   []*Set // one for every spanSteps steps, the oldest first
}

func newHistory(series []Series) *history {
	return &history{series: series, points: make([][]*float64, len(series))}
}

// add takes the set of the next step.
func (h *history) add(s *Set) {
	if h.last != nil {
		span := Span{Then: h.last, Now: s}
		for i, series := range h.series {
			h.points[i] = append(h.points[i], pointOf(series, span))
			if n := len(h.points[i]); n > HistorySteps {
				h.points[i] = append(h.points[i][:0], h.points[i][n-HistorySteps:]...)
			}
		}
	}
	if h.steps%spanSteps == 0 {
		h.sets = append(h.sets, s)
		if len(h.sets) > spanSets {
			h.sets = append(h.sets[:0], h.sets[1:]...)
		}
	}
	h.steps++
	h.last = s
}

func pointOf(series Series, span Span) *float64 {
	value, ok := series.Of(span)
	if !ok {
		return nil
	}
	return &value
}

// span is the last quarter of an hour, or the time since start.
func (h *history) span() (p Span, ok bool) {
	if len(h.sets) == 0 || h.last == h.sets[0] {
		return Span{}, false
	}
	return Span{Then: h.sets[0], Now: h.last}, true
}

// Mistake is a mistake of the site that nothing else would tell of: all works, and does not do
// what it is for.
type Mistake struct {
	ID     string // in the metric: “adds-without-gets”
	Title  string // in the log and on the page
	Remedy string
	// Found looks at the last minutes. It gives what it has seen, or "" where all is well.
	Found func(p Span) string
	// Logged tells that the part which meets the mistake logs it, with more than is seen here.
	Logged bool
}

const (
	// judgeAfter is how long a span must be, in seconds, and judgeAdds how many ADDs it must have,
	// before the mix of requests is judged.
	judgeAfter = 60
	judgeAdds  = 200
	// getsShare is the least part of ADDs that GETs should be, briefShare which part of ADDs may be
	// brief, and briefHits the hit rate that shows that sessions live nevertheless.
	getsShare  = 0.01
	briefShare = 0.99
	briefHits  = 0.05
)

// AddsWithoutGets is that applications store sessions and never ask for them.
var AddsWithoutGets = Mistake{
	ID: "adds-without-gets", Title: "Sessions are stored but almost never looked up",
	Remedy: "Switch session tickets off at the TLS terminators (Apache: SSLSessionTickets off). With tickets, TLS clients resume without the cache.",
	Found: func(p Span) string {
		adds := p.Grew(Requests, "ADD")
		gets := p.Grew(Requests, "GET") + p.Grew(Requests, "HAVE") - p.Grew(Probes) // HAVEs: of dc_clients with -cache
		if p.Seconds() < judgeAfter || adds < judgeAdds || gets >= getsShare*adds {
			return ""
		}
		return fmt.Sprintf("%.0f ADDs and %.0f GETs in the last %s", adds, gets, Text(p.Seconds(), Seconds))
	},
}

// BriefAdds is that sessions are stored for less than a second. hits gives the hit rate: where the other daemon makes
// sessions live longer, there are hits.
func BriefAdds(hits func(p Span) float64) Mistake {
	return Mistake{
		ID: "brief-adds", Title: "Sessions are stored for less than a second",
		Remedy: "Give dc_client or dc_server -minexpiry 300000: Apache's mod_socache_dc sends a timeout of 0 to 999 ms.",
		Found: func(p Span) string {
			adds, short := p.Grew(Requests, "ADD"), p.Grew(Brief)
			if p.Seconds() < judgeAfter || adds < judgeAdds || short < briefShare*adds || hits(p) >= briefHits {
				return ""
			}
			return fmt.Sprintf("%.0f of %.0f ADDs in the last %s", short, adds, Text(p.Seconds(), Seconds))
		},
	}
}
