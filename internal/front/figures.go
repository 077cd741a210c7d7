package front

import (
	"distcache/codec"
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
