package metrics

import "fmt"

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
	ID: "adds-without-gets", Title: "Sessions are stored and hardly ever asked for",
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

// BriefAdds finds that sessions are stored for less than a second. hits gives the hit rate: where the other daemon makes sessions live longer, there are hits.
func BriefAdds(hits func(p Span) float64) func(p Span) string {
	return func(p Span) string {
		adds, short := p.Grew(Requests, "ADD"), p.Grew(Brief)
		if p.Seconds() < judgeAfter || adds < judgeAdds || short < briefShare*adds || hits(p) >= briefHits {
			return ""
		}
		return fmt.Sprintf("%.0f of %.0f ADDs in the last %s", short, adds, Text(p.Seconds(), Seconds))
	}
}
