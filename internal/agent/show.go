package agent

import (
	"fmt"
	"time"

	"distcache/internal/daemon/metrics"
)

// Show is what the status page of dc_client shows.
var Show = metrics.Plan{
	Series: []metrics.Series{
		{ID: "operations", Title: "Operations per second", Of: metrics.RateOf(metrics.Requests)},
		{ID: "hits", Title: "Hit rate", Unit: metrics.Ratio, Good: 1, Of: metrics.ShareOf(metrics.Answers, []string{"GET", "OK"}, []string{"GET", "NOTOK"})},
		{ID: "median", Title: "Answer time, median", Unit: metrics.Seconds, Of: metrics.QuantileOf(Answered, 0.5)},
		{ID: "p99", Title: "Answer time, 99 %", Unit: metrics.Seconds, Of: metrics.QuantileOf(Answered, 0.99)},
		{ID: "errors", Title: "DISCONNECTED per second", Good: -1, Of: metrics.RateOf(Disconnected)},
		{ID: "clients", Title: "Clients", Of: metrics.ValueOf(metrics.Clients)},
	},
	Mistakes: []metrics.Mistake{
		metrics.AddsWithoutGets,
		metrics.BriefAdds(hits),
		{
			ID: "late-answers", Title: "dc_server answers later than -timeout",
			Remedy: "Raise -timeout above the round trip, or see whether dc_server is overloaded.",
			Found:  lateAnswers, Logged: true,
		},
		{
			ID: "several-addresses", Title: "The name of dc_server leads to several addresses",
			Remedy: "Give -server a name that has one address, or use -server-per-address: dc_clients that use different ones share no sessions.",
			Found:  severalAddresses, Logged: true,
		},
	},
}

// hits is the hit rate of a span; 0 without GETs.
func hits(p metrics.Span) float64 {
	rate, _ := metrics.ShareOf(metrics.Answers, []string{"GET", "OK"}, []string{"GET", "NOTOK"})(p)
	return rate
}

const (
	// leastLate is how many requests must be late for a mistake, and lateShare which part of all.
	leastLate = 10
	lateShare = 0.01
)

func lateAnswers(p metrics.Span) string {
	late, all := p.Grew(Disconnected, "timeout"), p.Grew("distcache_forwarded_total")
	if late < leastLate || late < lateShare*all {
		return ""
	}
	seen := fmt.Sprintf("%.0f of %.0f requests were not answered in time", late, all)
	if p99, ok := p.Times(RoundTrip).Quantile(0.99); ok {
		seen += fmt.Sprintf("; 99 %% of the answers came within %v", p99.Round(time.Millisecond/10))
	}
	return seen
}

func severalAddresses(p metrics.Span) string {
	if n := p.Now.Total(Addresses); n > 1 {
		return fmt.Sprintf("%.0f addresses of one IP version", n)
	}
	return ""
}
