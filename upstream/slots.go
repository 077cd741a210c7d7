package upstream

import (
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// slotState is where the request of a slot stands.
type slotState uint8

const (
	free    slotState = iota
	waiting           // its client waits for the answer
	own               // a probe of ours; the answer will be swallowed
	late              // timed out and answered here; dc_server's answer will be swallowed
	lost              // its connection is gone, and its client is about to be told
)

// slot is one request in flight.
type slot struct {
	state      slotState
	op         codec.Op
	generation uint16 // in the high half of the uid; grows each time the slot is freed
	owner      Owner
	clientUID  uint32 // the client's own, to be put back
	stamp      uint32 // when it was submitted, in units of 1,024 ns; wraps
}

// took is how long ago the request was submitted.
func (s *slot) took(now time.Duration) time.Duration {
	return time.Duration(uint32(now>>stampShift)-s.stamp) << stampShift
}

// slots is the table of requests in flight. A request's uid is its slot's number and
// generation, so an answer that comes after its slot was freed matches no request, unless
// the slot was used 65,536 times since. For a slow server, a slot whose request timed out is
// not used again until its answer comes, the connection ends, or quarantine has passed.
type slots struct {
	limit      int
	table      []slot // grows as slots are used; limit at most
	free       []uint16
	generation uint16 // of slots not used yet

	entries deadline.Entries
	pending *deadline.Queue // waiting and own
	overdue *deadline.Queue // late
	gone    *deadline.Queue // lost, due at once
}

// quarantine is how long a slot waits for an answer after its request has timed out.
const quarantine = time.Minute

// uidSlotBits is the part of a uid that is the slot's number; the rest is its generation.
const uidSlotBits = 16

// MaxInFlight is the largest number of requests that may await their answers.
const MaxInFlight = 1 << uidSlotBits

func newSlots(limit int, timeout time.Duration, generation uint16) *slots {
	s := &slots{limit: limit, generation: generation}
	s.pending = s.entries.NewQueue(timeout)
	s.overdue = s.entries.NewQueue(quarantine)
	s.gone = s.entries.NewQueue(0)
	return s
}

// take finds a slot: the one freed last, since the CPU caches have it; a new one; or the
// one that has been late for longest. It reports false when none is left.
func (s *slots) take() (int, bool) {
	switch {
	case len(s.free) > 0:
		i := s.free[len(s.free)-1]
		s.free = s.free[:len(s.free)-1]
		return int(i), true
	case len(s.table) < s.limit:
		s.table = append(s.table, slot{generation: s.generation})
		return len(s.table) - 1, true
	}
	i, ok := s.overdue.First()
	if ok {
		s.release(i)
		s.free = s.free[:len(s.free)-1]
	}
	return i, ok
}

// release frees slot i: the one place where that happens.
func (s *slots) release(i int) {
	sl := &s.table[i]
	sl.state = free
	sl.generation++
	s.entries.Clear(i)
	s.free = append(s.free, uint16(i))
}

// expire moves slot i from those that are waited for to those that are late.
func (s *slots) expire(i int, now time.Duration) {
	s.table[i].state = late
	s.overdue.Set(i, now)
}

// lose moves slot i to those whose connection is gone. It frees a slot without a client.
func (s *slots) lose(i int, now time.Duration) {
	if s.table[i].state != waiting {
		s.release(i)
		return
	}
	s.table[i].state = lost
	s.gone.Set(i, now)
}

// find is the slot of the request that carries uid; ok is false when none does.
func (s *slots) find(uid uint32) (i int, ok bool) {
	i = int(uid & (MaxInFlight - 1))
	if i >= len(s.table) || s.table[i].state == free || s.table[i].state == lost {
		return i, false
	}
	return i, s.table[i].generation == uint16(uid>>uidSlotBits)
}
