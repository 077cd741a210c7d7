package load

import (
	"math/rand/v2"
	"time"

	"distcache/codec"
)

// operation is one step of a client's stream: what it does, on which of its sessions. What ADD alone needs is drawn for
// every operation, so that it is the same whatever happened before.
type operation struct {
	index  uint64 // counts the client's operations from 0
	op     codec.Op
	slot   uint32
	uid    uint32
	cut    uint32
	size   uint32
	millis uint32
}

// stream is the sequence of one client's operations.
type stream struct {
	words  rand.PCG
	client uint32
	index  uint64
}

func (p *plan) newStream(client uint32) stream {
	s := stream{client: client}
	s.words.Seed(mix64(p.seed), mix64(uint64(client)+1))
	return s
}

// next returns the next operation. Operations that can be unanswered at the same time are of different lanes, and a
// session belongs to one lane: so no session is in two unanswered requests.
func (p *plan) next(s *stream) operation {
	first, second, third := s.words.Uint64(), s.words.Uint64(), s.words.Uint64()
	o := operation{
		index:  s.index,
		uid:    uint32(second),
		cut:    bounded(uint32(second>>32), blockCuts),
		size:   p.sizeMin + bounded(uint32(third), p.sizeSpan),
		millis: p.lifeMin + bounded(uint32(third>>32), p.lifeSpan),
	}
	s.index++
	if o.index < p.preload {
		o.op, o.slot = codec.OpAdd, uint32(o.index)
		return o
	}
	o.op = p.pick(bounded(uint32(first), p.weights))
	lane := uint32(o.index % uint64(p.lanes))
	inLane := (p.sessions - lane + p.lanes - 1) / p.lanes
	o.slot = lane + p.lanes*bounded(uint32(first>>32), inLane)
	return o
}

func (p *plan) pick(number uint32) codec.Op {
	op := codec.OpAdd
	for number >= p.bounds[op] {
		op++
	}
	return op
}

func (o *operation) isAdd() bool { return o.op == codec.OpAdd }

func (o *operation) life() time.Duration { return time.Duration(o.millis) * time.Millisecond }
