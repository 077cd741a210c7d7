package agent

import (
	"time"

	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/upstream"
)

// Snapshot is a copy of an Agent's counters.
type Snapshot struct {
	Fronts   []front.Counters
	Mux      upstream.MuxCounters
	Agent    Counters
	State    upstream.State
	InFlight int
}

// Snapshot copies the counters.
func (a *Agent) Snapshot(now time.Duration) *Snapshot {
	mux := a.server.Mux()
	s := &Snapshot{Mux: mux.Counters, Agent: a.Counters, State: a.server.State(), InFlight: mux.Unanswered()}
	for _, f := range a.fronts {
		s.Fronts = append(s.Fronts, f.Counters)
	}
	return s
}

// Collect reads the figures.
func (s *Snapshot) Collect(set *metrics.Set) {
	for i := range s.Fronts {
		metrics.Collect(set, front.Figures, &s.Fronts[i])
	}
	metrics.Collect(set, figures, s)
	set.AddStatus(metrics.Status{Ready: s.State == upstream.Up, Text: "link to dc_server: " + s.State.String()})
}

// Figures describes the figures of an Agent.
func Figures() []metrics.Description {
	return append(metrics.Describe(front.Figures), metrics.Describe(figures)...)
}

// put is how an entry of the table gives a value.
type put = func(value float64, labels ...string)

var figures = []metrics.Figure[Snapshot]{
	{Description: metrics.Description{Name: "distcache_in_flight", Kind: metrics.Gauge, Line: "in_flight",
		Help: "Requests that dc_server has not answered"},
		Read: func(s *Snapshot, put put) { put(float64(s.InFlight)) }},
	{Description: metrics.Description{Name: "distcache_forwarded_total", Kind: metrics.Counter, Line: "forwarded",
		Help: "Requests sent on to dc_server"},
		Read: func(s *Snapshot, put put) { put(float64(s.Mux.Forwarded)) }},
	{Description: metrics.Description{Name: "distcache_answered_total", Kind: metrics.Counter,
		Help: "Requests that dc_server answered in time"},
		Read: func(s *Snapshot, put put) { put(float64(s.Mux.Answered)) }},
	{Description: metrics.Description{Name: Disconnected, Kind: metrics.Counter, Labels: []string{"reason"}, Line: "disconnected",
		Help: "Requests answered DISCONNECTED: no answer within -timeout, connection lost with the request in flight, no connection, or too many in flight"},
		Read: func(s *Snapshot, put put) {
			put(float64(s.Mux.TimedOut), "timeout")
			put(float64(s.Mux.Lost), "lost")
			put(float64(s.Agent.Unavailable), "no-connection")
			put(float64(s.Mux.Full), "full")
		}},
	{Description: metrics.Description{Name: "distcache_answers_dropped_total", Kind: metrics.Counter, Labels: []string{"reason"},
		Help: "Answers of dc_server that went to nobody: the request had timed out, its client had left, or no request matched"},
		Read: func(s *Snapshot, put put) {
			put(float64(s.Mux.Late), "late")
			put(float64(s.Mux.Swallowed), "client-left")
			put(float64(s.Mux.Unsolicited), "no-request")
		}},
	{Description: metrics.Description{Name: "distcache_short_adds_total", Kind: metrics.Counter,
		Help: "ADDs too short to be one, answered CORRUPT by dc_client"},
		Read: func(s *Snapshot, put put) { put(float64(s.Agent.ShortAdds)) }},
}

// Disconnected is the name of the figure of requests that dc_server did not answer.
const Disconnected = "distcache_disconnected_total"

// Show is what the status page of dc_client shows.
var Show = metrics.Plan{
	Series: []metrics.Series{
		{ID: "operations", Title: "Operations per second", Of: metrics.RateOf(metrics.Requests)},
		{ID: "errors", Title: "DISCONNECTED per second", Good: -1, Of: metrics.RateOf(Disconnected)},
		{ID: "clients", Title: "Clients", Of: metrics.ValueOf(metrics.Clients)},
	},
}
