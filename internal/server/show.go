package server

import (
	"fmt"
	"math"
	"time"

	"distcache/internal/daemon/metrics"
	"distcache/internal/store"
)

// Show is what the status page of dc_server shows.
var Show = metrics.Plan{
	Series: []metrics.Series{
		{ID: "operations", Title: "Operations per second", Of: metrics.RateOf(metrics.Requests)},
		{ID: "hits", Title: "Hit rate", Unit: metrics.Ratio, Good: 1, Of: metrics.ShareOf(Gets, []string{"hit"}, []string{"miss"})},
		{ID: "sessions", Title: "Sessions", Of: metrics.ValueOf(Sessions)},
		{ID: "evicted", Title: "Evictions per second", Good: -1, Of: metrics.RateOf(Evicted)},
		{ID: "memory", Title: "Memory of sessions", Unit: metrics.Bytes, Of: metrics.ValueOf(Memory)},
		{ID: "clients", Title: "Connections", Of: metrics.ValueOf(metrics.Clients)},
	},
	Mistakes: []metrics.Mistake{
		metrics.AddsWithoutGets,
		briefAdds,
		{
			ID: "evictions", Title: "Sessions are evicted before they expire",
			Remedy: "Raise -sessions to the number of sessions needed, and raise -memory with it; -check shows the memory that this takes.",
			Found:  evictions,
		},
	},
}

// ShowRemote is the same where the store is in another machine, which alone knows what it holds.
var ShowRemote = metrics.Plan{
	Series: []metrics.Series{
		{ID: "operations", Title: "Operations per second", Of: metrics.RateOf(metrics.Requests)},
		{ID: "hits", Title: "Hit rate", Unit: metrics.Ratio, Good: 1, Of: metrics.ShareOf(Gets, []string{"hit"}, []string{"miss"})},
		{ID: "store-time", Title: "Time of the store, 99 % below", Unit: metrics.Seconds, Good: -1, Of: metrics.QuantileOf(store.FigureTimes, 0.99)},
		{ID: "store-errors", Title: "Requests that the store failed, per second", Good: -1, Of: metrics.RateOf(store.FigureErrors)},
		{ID: "clients", Title: "Connections", Of: metrics.ValueOf(metrics.Clients)},
	},
	Mistakes: []metrics.Mistake{metrics.AddsWithoutGets, briefAdds},
}

// briefAdds ignores the hit rate: no daemon behind dc_server makes sessions live longer.
var briefAdds = metrics.BriefAdds(func(metrics.Span) float64 { return 0 })

// evictions finds that the cache is too small, and tells how many sessions are needed: as many as come
// in the time that one lives.
func evictions(p metrics.Span) string {
	evicted, stored := p.Grew(Evicted), p.Grew(Adds, "stored")
	if evicted == 0 {
		return ""
	}
	seen := fmt.Sprintf("%.0f sessions in the last %s", evicted, metrics.Text(math.Ceil(p.Seconds()), metrics.Seconds))
	if stored == 0 || p.Seconds() == 0 {
		return seen
	}
	life := p.Grew(Life) / (stored + p.Grew(Adds, "exists")) // of one, in seconds
	return fmt.Sprintf("%s; %.0f a second live for %s on average: about %.0f sessions are needed, -sessions is %.0f", seen,
		stored/p.Seconds(), time.Duration(life*float64(time.Second)).Round(time.Second),
		twoDigits(life*stored/p.Seconds()), p.Now.Total(Capacity))
}

// twoDigits rounds up to two digits.
func twoDigits(v float64) float64 {
	if v <= 0 {
		return 0
	}
	unit := math.Pow(10, math.Floor(math.Log10(v))-1)
	return math.Ceil(v/unit) * unit
}
