package plan

import (
	"math"
	"sync/atomic"
)

// Progress lets other goroutines watch a run. The loop updates it now and then, not for every operation.
type Progress struct {
	done, failed atomic.Uint64
	phase        atomic.Uint32
}

// Publish shows how far the run is.
func (p *Progress) Publish(done, failed uint64, phase Phase) {
	p.done.Store(done)
	p.failed.Store(failed)
	p.phase.Store(uint32(phase))
}

// Done returns how many operations of the present phase have ended, failed ones included.
func (p *Progress) Done() uint64 { return p.done.Load() }

// Failed returns how many of those failed.
func (p *Progress) Failed() uint64 { return p.failed.Load() }

// Phase returns what the run is doing.
func (p *Progress) Phase() Phase { return Phase(p.phase.Load()) }

// Phase is a part of a run.
type Phase uint8

// The phases, in their order.
const (
	Preloading Phase = iota
	WarmingUp
	Measuring
	Draining // nothing is begun any more; what is unanswered is waited for
)

// String returns the phase as a word.
func (p Phase) String() string {
	return [...]string{"preloading", "warming up", "measuring", "draining"}[p]
}

// Pacer says when the operations of an open loop are due: operation i at start + i / rate, whatever became of those
// before it. Operation i belongs to client i modulo the number of clients.
type Pacer struct {
	Start    int64   // nanoseconds of the run's clock
	interval float64 // nanoseconds
	Clients  uint64
	Issued   uint64 // operations that have become due
	Limit    uint64 // how many there are
}

const (
	// never is later than any time of a run.
	Never = math.MaxInt64
	// unlimited is a number of operations that no run gets to.
	Unlimited = math.MaxUint64
)

// NewPacer returns a pacer for that many operations per second. Start and Limit are to be set.
func NewPacer(rate float64, clients int) Pacer {
	return Pacer{interval: 1e9 / rate, Clients: uint64(clients)}
}

// due returns when operation i is due.
func (p *Pacer) due(i uint64) int64 { return p.Start + int64(float64(i)*p.interval) }

// Before returns how many operations are due before that time, those that were issued included.
func (p *Pacer) Before(at int64) uint64 {
	if at == Never {
		return Unlimited
	}
	return max(p.Issued, uint64(math.Ceil(float64(at-p.Start)/p.interval)))
}

// Next returns when the next operation is due, or never.
func (p *Pacer) Next() int64 {
	if p.Issued >= p.Limit {
		return Never
	}
	return p.due(p.Issued)
}

// Intended returns when operation i of that client is due.
func (p *Pacer) Intended(client uint32, i uint64) int64 {
	return p.due(i*p.Clients + uint64(client))
}
