package upstream

import (
	"slices"
	"time"

	"distcache/engine/deadline"
)

const (
	// stagger is how long an attempt has to succeed before the one to the next server begins beside it: several round
	// trips.
	stagger = 100 * time.Millisecond
	// longestHold is the most that a server which comes and goes is kept from taking over.
	longestHold = 5 * time.Minute
	// maxDraining is how many connections may be about to end. When there are more, the requests on the worst one are
	// answered DISCONNECTED. That bounds the memory.
	maxDraining = 2
)

// failOver acts on a change of m's connection. It never ends that connection: the caller is amid it.
func (s *Servers) failOver(m *Member, from, to State, now time.Duration) {
	switch {
	case s.stopping:
	case to == Up && s.serving == nil, to == Up && s.before(m, s.serving):
		s.serve(m, now)
	case to == Up && m != s.serving: // the list was changed meanwhile
		m.drainTo = now
	case to != Down:
	case m == s.serving:
		s.lost(m, now)
	case m.drainTo != deadline.Never:
		m.rest(now)
	case s.serving == nil && m == s.trying:
		s.advance(now)
	}
}

// before reports whether a is better than b.
func (s *Servers) before(a, b *Member) bool {
	return slices.Index(s.members, a) < slices.Index(s.members, b)
}

// serve lets m serve. The better ones go on to be tried, the worse ones rest.
func (s *Servers) serve(m *Member, now time.Duration) {
	old := s.serving
	s.serving, s.target, s.trying, s.cursorAt, m.drainTo = m, m.line.server, nil, deadline.Never, deadline.Never
	better := true
	for _, o := range s.members {
		switch {
		case o == m:
			better = false
		case better && !o.leaving:
			s.seek(o, now)
		default:
			s.leave(o, now)
		}
	}
	if old != m {
		s.overseer.ServingChanged(old, m, now)
	}
}

// seek starts attempts to o, a better server than the one that serves. One that was lost soon after it came waits until heldTo.
func (s *Servers) seek(o *Member, now time.Duration) {
	if now < o.heldTo {
		o.rest(now)
		o.startAt = o.heldTo
	} else if o.Resting() {
		o.startAt = now
	}
}

// leave ends the connection to a server that is not needed, once it owes nothing.
func (s *Servers) leave(o *Member, now time.Duration) {
	if o.State() != Up || o.line.server.mux.Unanswered() == 0 {
		o.rest(now) // an idle one at once: no turn may end soon
		o.failure = nil
		return
	}
	o.endMove(now)
	o.startAt, o.drainTo = deadline.Never, now+s.config.Drain
	for draining := 0; ; draining = 0 {
		var worst *Member
		for _, d := range s.members {
			if d.drainTo != deadline.Never {
				draining, worst = draining+1, d
			}
		}
		if draining <= maxDraining {
			return
		}
		worst.rest(now)
	}
}

// lost finds another server to serve in place of m: one that is still up, or the first that answers.
func (s *Servers) lost(m *Member, now time.Duration) {
	s.serving = nil
	s.penalize(m, now)
	if m.leaving {
		m.rest(now) // for good: finish takes it off the list
	}
	for _, o := range s.members {
		if o.State() == Up && !o.leaving {
			s.serve(o, now)
			return
		}
	}
	s.startRound(m, now)
}

// penalize keeps a server that was lost soon after it had come from taking over again: for -retry at first, and twice as
// long each time. One that lasts longer than that is forgiven.
func (s *Servers) penalize(m *Member, now time.Duration) {
	if now-m.upAt >= max(s.config.Retry, m.hold) {
		m.hold = 0
		return
	}
	m.hold = max(s.config.Retry, min(2*m.hold, longestHold))
	m.heldTo = now + m.line.server.link.config.jittered(m.hold)
}

// startRound begins an attempt to each server, one after the other, but to the one that was just lost: its Link knows when
// to try that. After a loss the first one begins within LossJitter: other agents have lost that server, too. No server is
// kept from it for its past: any is better than none.
func (s *Servers) startRound(lost *Member, now time.Duration) {
	s.cursor, s.except, s.trying = 0, lost, nil
	if lost != nil && len(s.members) > 1 {
		if s.cursorAt = now + lost.line.server.link.config.lossJitter(); s.cursorAt > now {
			return
		}
	}
	s.advance(now)
}

// advance begins the attempt to the next server. It does not wait for one that failed last time before it goes on.
func (s *Servers) advance(now time.Duration) {
	s.trying, s.cursorAt = nil, deadline.Never
	for s.cursor < len(s.members) {
		m := s.members[s.cursor]
		s.cursor++
		if m == s.except || m.leaving || m.State() != Down {
			continue
		}
		s.trying = m
		m.startAt = deadline.Never
		m.line.server.Start(now)
		if m.failure == nil {
			if s.cursor < len(s.members) {
				s.cursorAt = now + stagger
			}
			return
		}
	}
}

// finish ends connections that owe nothing any more, or have had their time.
func (s *Servers) finish(now time.Duration) {
	for i := len(s.members) - 1; i >= 0; i-- {
		m := s.members[i]
		if m.drainTo != deadline.Never && (m.line.server.mux.Unanswered() == 0 || now >= m.drainTo) {
			m.rest(now)
		}
		if m.leaving && m != s.serving && m.Resting() {
			s.members = slices.Delete(s.members, i, i+1)
			m.line.server.Stop(now)
		}
	}
	for i := len(s.orphans) - 1; i >= 0; i-- {
		l := s.orphans[i]
		l.server.link.Flush(now)
		if l.server.mux.Unanswered() == 0 || now >= l.until {
			s.end(l, now)
		}
	}
}
