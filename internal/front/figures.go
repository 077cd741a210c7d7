package front

import (
	"distcache/codec"
	"distcache/codec/sessiond"
	"distcache/internal/daemon/metrics"
)

// Snapshot is a copy of a Front's counters.
type Snapshot struct {
	Name     string // of its protocol
	Counters Counters
}

// Snapshot copies the counters.
func (f *Front) Snapshot() Snapshot { return Snapshot{f.wire.Name(), f.Counters} }

// Figures are the figures of clients and their requests, which both daemons have. The front that the
// clients came through is the last label of each.
var Figures = []metrics.Figure[Snapshot]{
	{Description: metrics.Description{Name: "distcache_clients_accepted_total", Kind: metrics.Counter, Labels: []string{metrics.Front}, Line: "accepted",
		Help: "Clients that connected and were served"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Counters.Clients), s.Name) }},
	{Description: metrics.Description{Name: "distcache_clients_dropped_total", Kind: metrics.Counter, Labels: []string{"reason", metrics.Front}, Line: "dropped",
		Help: "Clients closed by the daemon, by reason; displaced: idle, and closed for another one at -maxclients"},
		Read: func(s *Snapshot, put metrics.Put) {
			for why, n := range s.Counters.Dropped {
				put(float64(n), Reason(why).String(), s.Name)
			}
		}},
	{Description: metrics.Description{Name: "distcache_corrupt_total", Kind: metrics.Counter, Labels: []string{"field", metrics.Front},
		Help: "Clients closed for corrupt bytes, by the field of the frame (docs/PROTOCOL.md)"},
		Read: func(s *Snapshot, put metrics.Put) {
			for i, n := range s.Counters.Corrupt {
				put(float64(n), codec.FieldAt(i), s.Name)
			}
		}},
	{Description: metrics.Description{Name: metrics.Requests, Kind: metrics.Counter, Labels: []string{"op", metrics.Front}, Line: "requests",
		Help: "Requests of clients"},
		Read: func(s *Snapshot, put metrics.Put) {
			for op, n := range s.Counters.Requests {
				put(float64(n), codec.Op(op).String(), s.Name)
			}
		}},
	{Description: metrics.Description{Name: metrics.Answers, Kind: metrics.Counter, Labels: []string{"op", "status", metrics.Front}, Line: "answers",
		Help: "Answers to clients, of dc_server or of dc_client itself: OK of a GET is a hit, NOTOK a miss; the statuses of an ADD tell why it was refused"},
		Read: readAnswers},
	{Description: metrics.Description{Name: metrics.Brief, Kind: metrics.Counter, Labels: []string{metrics.Front},
		Help: "ADDs of sessions that live less than a second, after -minexpiry"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Counters.Brief), s.Name) }},
}

// readAnswers puts the statuses OK and NOTOK always, the others once they have occurred.
func readAnswers(s *Snapshot, put metrics.Put) {
	for op := range s.Counters.Answers {
		for i, n := range s.Counters.Answers[op] {
			name := "other"
			status, known := codec.StatusAt(i)
			if known {
				name = status.String()
			}
			if n > 0 || known && status <= codec.StatusNotOK {
				put(float64(n), codec.Op(op).String(), name, s.Name)
			}
		}
	}
}

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
