package load

import "math"

// pacer says when the operations of an open loop are due: operation i at start + i / rate, whatever became of those
// before it. Operation i belongs to client i modulo the number of clients.
type pacer struct {
	start    int64   // nanoseconds of the run's clock
	interval float64 // nanoseconds
	clients  uint64
	issued   uint64 // operations that have become due
	limit    uint64 // how many there are
}

const never = math.MaxInt64

func newPacer(rate float64, clients int) pacer {
	return pacer{interval: 1e9 / rate, clients: uint64(clients)}
}

// due returns when operation i is due.
func (p *pacer) due(i uint64) int64 { return p.start + int64(float64(i)*p.interval) }

// before returns how many operations are due before that time, those that were issued included.
func (p *pacer) before(at int64) uint64 {
	if at == never {
		return unlimited
	}
	return max(p.issued, uint64(math.Ceil(float64(at-p.start)/p.interval)))
}

// next returns when the next operation is due, or never.
func (p *pacer) next() int64 {
	if p.issued >= p.limit {
		return never
	}
	return p.due(p.issued)
}

// intended returns when operation i of that client is due.
func (p *pacer) intended(client uint32, i uint64) int64 {
	return p.due(i*p.clients + uint64(client))
}
