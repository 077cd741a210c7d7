package upstream

import (
	"time"

	"distcache/codec"
)

// Mux puts the requests of many clients onto one connection and brings each answer to the
// client that asked. It answers each request that submit takes exactly once, unless the
// client leaves before.
type Mux struct {
	config  Config
	answers Answers
	slots   *slots
	batch   batch
	failure [codec.HeaderSize + 1]byte // the answer to a request that gets none

	busySince   time.Duration // since when at least one answer has been owed without a break
	unsolicited int           // unsolicited answers since the last answer to a request
	taken       uint64        // requests of this Mux, with the probes of an idle connection
	lateness    lateness
	forgetting  bool // forget follows once all that was lost is answered

	// Counters counts what happened, since start.
	Counters *MuxCounters
	figures  *Figures
}

// MuxCounters are totals since start.
type MuxCounters struct {
	Forwarded   uint64 // requests of clients that submit took
	Answered    uint64 // of those, answered by dc_server in time
	TimedOut    uint64 // of those, answered with DISCONNECTED after Timeout
	Lost        uint64 // of those, answered with DISCONNECTED when the connection was lost
	Swallowed   uint64 // of those forwarded, answered by dc_server when the client had left
	Late        uint64 // answers to requests that had timed out
	Unsolicited uint64 // answers to no request, or the second to one
	Full        uint64 // requests of clients that submit refused
}

// unsolicitedLimit is how many unsolicited answers may come in a row. After one more,
// Deliver returns ErrUnsolicited.
const unsolicitedLimit = 1000

// NewMux makes a Mux with nothing in flight.
func NewMux(config Config, answers Answers) *Mux {
	if config.EndTurn == nil {
		config.EndTurn = func() {}
	}
	figures := config.Figures
	if figures == nil {
		figures = new(Figures)
	}
	return &Mux{
		Counters: &figures.Mux,
		figures:  figures,
		config:   config,
		answers:  answers,
		slots:    newSlots(config.MaxInFlight, config.Timeout, config.Generation),
		lateness: newLateness(config),
	}
}

// submit forwards a request for owner, under a uid of our own, and asks for the end of the turn.
// state is waiting, or own: then it is a probe, which is not counted, and its answer is swallowed.
// submit returns ErrFull when there is no room; nothing was forwarded then. A request that does not
// lie at Servers.Tail is copied.
func (m *Mux) submit(state slotState, owner Owner, r *codec.Message, now time.Duration) error {
	i, ok := 0, false
	if len(m.batch.unsent())+len(r.Wire) <= m.config.MaxBatch {
		if m.Unanswered() == 0 {
			m.busySince = now
		}
		i, ok = m.slots.take()
	}
	if !ok {
		if state == waiting {
			m.Counters.Full++
		}
		return ErrFull
	}
	m.taken++
	if state == waiting {
		m.Counters.Forwarded++
	}
	s := &m.slots.table[i]
	*s = slot{state: state, op: r.Op, generation: s.generation, owner: owner, clientUID: r.UID, stamp: uint32(now >> stampShift)}
	m.slots.pending.Set(i, now)
	codec.SetUID(m.batch.add(r.Wire), uint32(s.generation)<<uidSlotBits|uint32(i))
	m.config.EndTurn()
	return nil
}

// Unsent is what is to be written to dc_server. It is valid until the next request.
func (m *Mux) Unsent() []byte { return m.batch.unsent() }

// Deliver brings an answer from dc_server to its client; it changes a.Wire. It counts and
// drops an unsolicited answer. It returns ErrWrongOperation or ErrUnsolicited when the
// connection must be closed.
func (m *Mux) Deliver(a codec.Message, now time.Duration) error {
	i, ok := m.slots.find(a.UID)
	if !ok {
		m.Counters.Unsolicited++
		m.unsolicited++
		if m.unsolicited > unsolicitedLimit {
			return ErrUnsolicited
		}
		return nil
	}
	s := m.slots.table[i] // a copy: Answer may bring the next request into the slot
	if a.Op != s.op {
		return ErrWrongOperation
	}
	m.unsolicited = 0
	m.slots.release(i)
	switch s.state {
	case late:
		m.Counters.Late++
		m.figures.Times.Late.Observe(s.took(now))
		m.lateness.came(s.took(now))
	case waiting:
		codec.SetUID(a.Wire, s.clientUID)
		m.figures.Times.Answered.Observe(s.took(now))
		if m.answers.Answer(s.owner, a.Wire, now) {
			m.Counters.Answered++
		} else {
			m.Counters.Swallowed++
		}
	}
	return nil
}

// expirePerCall bounds the answers of one call, and so how long the loop does nothing else.
const expirePerCall = 1024

// Expire answers, with DISCONNECTED, the requests whose time is up. When they are many,
// Deadline stays in the past and later calls answer the rest.
func (m *Mux) Expire(now time.Duration) {
	m.tellLost(now)
	if m.forgetting {
		m.forgetWhenDone()
	}
	for range expirePerCall {
		i, ok := m.slots.pending.Due(now)
		if !ok {
			break
		}
		s := m.slots.table[i]
		m.lateness.late(m.settled(), now)
		m.slots.expire(i, now)
		m.fail(s, &m.Counters.TimedOut, now)
	}
	for range expirePerCall {
		i, ok := m.slots.overdue.Due(now)
		if !ok {
			break
		}
		m.slots.release(i)
	}
	m.lateness.expire(m.settled(), now)
}

// settled is how many requests, probes included, no longer wait for their answers.
func (m *Mux) settled() uint64 {
	return m.taken - uint64(m.slots.pending.Len())
}

// Lost answers, with DISCONNECTED, everything in flight: the connection is gone, and with
// it what was to be written. When that is much, Deadline is in the past and Expire, or
// Finish, answers the rest.
func (m *Mux) Lost(now time.Duration) {
	m.batch.wrote(len(m.batch.unsent()))
	m.unsolicited = 0
	for i, ok := m.slots.overdue.First(); ok; i, ok = m.slots.overdue.First() {
		m.slots.release(i)
	}
	for i, ok := m.slots.pending.First(); ok; i, ok = m.slots.pending.First() {
		m.slots.lose(i, now)
	}
	m.tellLost(now)
}

// Finish answers what Lost has left for later.
func (m *Mux) Finish(now time.Duration) {
	for m.slots.gone.Len() > 0 {
		m.tellLost(now)
	}
}

// forgetWhenDone frees the memory after Lost, once everything is answered.
func (m *Mux) forgetWhenDone() {
	m.forgetting = m.slots.gone.Len() > 0 // the rest is answered in the next turns
	if !m.forgetting {
		m.forget()
	}
}

// forget frees the memory of a Mux that has nothing in flight and nothing to send.
func (m *Mux) forget() {
	m.batch = batch{tailAt: moved}
	m.slots = newSlots(m.config.MaxInFlight, m.config.Timeout, m.config.Generation)
}

// tellLost answers some of what was lost. A client may ask again from within its answer:
// that request is not lost.
func (m *Mux) tellLost(now time.Duration) {
	for range expirePerCall {
		i, ok := m.slots.gone.First()
		if !ok {
			return
		}
		s := m.slots.table[i]
		m.slots.release(i)
		m.fail(s, &m.Counters.Lost, now)
	}
}

// fail answers the request of s in place of dc_server.
func (m *Mux) fail(s slot, counter *uint64, now time.Duration) {
	if s.state != waiting && s.state != lost {
		return
	}
	m.figures.Times.GivenUp.Observe(s.took(now))
	wire := codec.AppendStatus(m.failure[:0], s.clientUID, s.op, codec.StatusDisconnected)
	if m.answers.Answer(s.owner, wire, now) {
		*counter++
	}
}

// Unanswered is the number of requests whose answers may still come from dc_server:
// those in flight, and those that timed out lately.
func (m *Mux) Unanswered() int { return m.slots.pending.Len() + m.slots.overdue.Len() }

// InFlight is the number of requests that are waited for.
func (m *Mux) InFlight() int { return m.slots.pending.Len() }

// Deadline is when Expire is to be called next: when the next request's time is up, or a
// Lateness is to be reported.
func (m *Mux) Deadline() time.Duration {
	return min(m.slots.pending.Deadline(), m.slots.overdue.Deadline(), m.slots.gone.Deadline(), m.lateness.due)
}
