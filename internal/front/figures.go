package front

import (
	"distcache/codec"
	"distcache/internal/daemon/metrics"
)

// Figures are the figures of clients and their requests, which both daemons have.
var Figures = []metrics.Figure[Counters]{
	{Description: metrics.Description{Name: "distcache_clients_accepted_total", Kind: metrics.Counter, Line: "accepted",
		Help: "Clients that connected and were served"},
		Read: func(c *Counters, put func(float64, ...string)) { put(float64(c.Clients)) }},
	{Description: metrics.Description{Name: "distcache_clients_dropped_total", Kind: metrics.Counter, Labels: []string{"reason"}, Line: "dropped",
		Help: "Clients closed for a fault of their own"},
		Read: func(c *Counters, put func(float64, ...string)) {
			for why, n := range c.Dropped {
				put(float64(n), Reason(why).String())
			}
		}},
	{Description: metrics.Description{Name: "distcache_corrupt_total", Kind: metrics.Counter, Labels: []string{"field"},
		Help: "Clients closed for corrupt bytes, by the field of the frame (docs/PROTOCOL.md)"},
		Read: func(c *Counters, put func(float64, ...string)) {
			for i, n := range c.Corrupt {
				put(float64(n), codec.FieldAt(i))
			}
		}},
	{Description: metrics.Description{Name: metrics.Requests, Kind: metrics.Counter, Labels: []string{"op"}, Line: "requests",
		Help: "Requests of clients"},
		Read: func(c *Counters, put func(float64, ...string)) {
			for op, n := range c.Requests {
				put(float64(n), codec.Op(op).String())
			}
		}},
}

// PutAnswers puts the values of a table of answers by operation and status. The statuses OK and NOTOK
// are always there, the others once they have occurred.
func PutAnswers(table *[codec.NumOps][codec.NumStatuses]uint64, put func(float64, ...string)) {
	for op := range table {
		for i, n := range table[op] {
			name := "other"
			status, known := codec.StatusAt(i)
			if known {
				name = status.String()
			}
			if n > 0 || known && status <= codec.StatusNotOK {
				put(float64(n), codec.Op(op).String(), name)
			}
		}
	}
}
