package front

import (
	"distcache/codec/sessiond"
	"distcache/internal/daemon/metrics"
)

// Result is what became of a get that came in a datagram.
type Result uint8

// The results.
const (
	Hit      Result = iota // answered with a session
	Missing                // answered “not found”, as dc_server said
	NoServer               // answered “not found”: no connection to dc_server, or it was lost meanwhile
	TooMany                // answered “not found”: MaxGets were open
	TooLarge               // answered “not found”: the session does not fit into a datagram
	TooLate                // not answered: DatagramPatience was over

	// NumResults is the number of results: tables by result have this length.
	NumResults
)

// String gives the name used in metrics.
func (r Result) String() string {
	switch r {
	case Hit:
		return "found"
	case Missing:
		return "missing"
	case NoServer:
		return "no-server"
	case TooMany:
		return "too-many"
	case TooLarge:
		return "too-large"
	case TooLate:
		return "too-late"
	}
	return "unknown"
}

// DatagramCounters are totals since start.
type DatagramCounters struct {
	Gets    [NumResults]uint64         // gets, by what became of them
	Dropped [sessiond.NumFaults]uint64 // datagrams that are no requests
	Ignored uint64                     // removals that were not honoured
	Unsent  uint64                     // answers that the system did not take
}

// Snapshot copies the counters of requests.
func (d *Datagrams) Snapshot() Snapshot { return Snapshot{"sessiond", d.Asked} }

// DatagramFigures are the figures of a sessiond address.
var DatagramFigures = []metrics.Figure[DatagramCounters]{
	{Description: metrics.Description{Name: "distcache_sessiond_gets_total", Kind: metrics.Counter, Labels: []string{"result"},
		Help: "Gets of stunnel (-sessiond), by what became of them; one that is too late is not answered"},
		Read: func(c *DatagramCounters, put func(float64, ...string)) {
			for result, n := range c.Gets {
				put(float64(n), Result(result).String())
			}
		}},
	{Description: metrics.Description{Name: "distcache_sessiond_dropped_total", Kind: metrics.Counter, Labels: []string{"reason"},
		Help: "Datagrams that are no requests, by what is wrong with them"},
		Read: func(c *DatagramCounters, put func(float64, ...string)) {
			for fault := sessiond.OK + 1; fault < sessiond.NumFaults; fault++ {
				put(float64(c.Dropped[fault]), fault.String())
			}
		}},
	{Description: metrics.Description{Name: "distcache_sessiond_removes_ignored_total", Kind: metrics.Counter,
		Help: "Removals of stunnel that were not sent on (-sessiond-remove)"},
		Read: func(c *DatagramCounters, put func(float64, ...string)) { put(float64(c.Ignored)) }},
	{Description: metrics.Description{Name: "distcache_sessiond_unsent_total", Kind: metrics.Counter,
		Help: "Answers to stunnel that the system did not take"},
		Read: func(c *DatagramCounters, put func(float64, ...string)) { put(float64(c.Unsent)) }},
}
