package load

import "sync/atomic"

// Progress lets other goroutines watch a run. The loop updates it now and then, not for every operation.
type Progress struct {
	done, failed atomic.Uint64
	phase        atomic.Uint32
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
