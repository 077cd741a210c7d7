package upstream

import (
	"errors"
	"time"

	"distcache/engine/deadline"
)

// Member is one dc_server of a list, with its connection.
type Member struct {
	name  string
	share string // its name in rendezvous hashing
	of    *Servers
	line  *line // in use
	next  *line // of a Move, until it is up; nil: none

	since   time.Duration // when the connection came up, or was lost
	upAt    time.Duration // when it came up last
	tried   bool          // an attempt has ended, one way or the other
	failure error         // of the last attempt, or of the lost connection; nil while it is up

	asked uint64 // requests over connections that a Move has replaced

	leaving bool          // it is not on the list any more, and serves until another one does
	startAt time.Duration // when its link is to leave its rest; deadline.Never: not by itself
	drainTo time.Duration // while up, when another serves: until then it may answer; deadline.Never: it is not left

	hold   time.Duration // how long it is kept from taking over again; see penalize
	heldTo time.Duration
}

// line is a connection to a dc_server, with the part that it plays.
type line struct {
	of      *Servers
	member  *Member // nil: none any more
	server  *Server
	watcher Watcher
	ended   func(moved bool, now time.Duration) // of a move
	until   time.Duration                       // of an orphan: when it ends in any case
}

// newLine makes a connection that plays no part yet.
func (s *Servers) newLine(m *Member, config Config, t Transport, w Watcher) *line {
	l := &line{of: s, member: m, watcher: w}
	l.server = New(config, t, s.answers, l)
	return l
}

// LinkChanged implements Watcher.
func (l *line) LinkChanged(from, to State, why error, now time.Duration) {
	if l.watcher != nil {
		l.watcher.LinkChanged(from, to, why, now)
	}
	switch m, s := l.member, l.of; {
	case m == nil:
		if to == Down {
			s.end(l, now)
		}
	case l == m.line:
		m.note(from, to, why, now)
		if to == Up {
			m.endMove(now) // what was connected to anew is where its name leads
		}
		if !s.config.Spread && !errors.Is(why, ErrStopped) {
			s.failOver(m, from, to, now)
		}
		s.overseer.MemberChanged(m, from, to, why, now)
	case to == Up:
		m.moveOver(now)
	case to == Down:
		m.next, l.member = nil, nil
		l.server.Stop(now)
		l.ended(false, now)
	}
}

// note takes what is shown of a member.
func (m *Member) note(from, to State, why error, now time.Duration) {
	switch {
	case errors.Is(why, ErrStopped):
		return
	case to == Up:
		m.since, m.upAt, m.tried, m.failure = now, now, true, nil
	case to == Down:
		m.tried, m.failure = true, why
		if from == Up {
			m.since = now
		}
	}
}

// Name is the one of the list.
func (m *Member) Name() string { return m.name }

// Share is its name in rendezvous hashing.
func (m *Member) Share() string { return m.share }

// State is where its connection stands.
func (m *Member) State() State { return m.line.server.State() }

// Server is its connection and the requests in flight there. Move changes it.
func (m *Member) Server() *Server { return m.line.server }

// Resting reports whether it is not connected because another one serves.
func (m *Member) Resting() bool { return m.line.server.link.Resting() && m.startAt == deadline.Never }

// Since is when the connection came up, or was lost; 0 before the first.
func (m *Member) Since() time.Duration { return m.since }

// Asked is how many requests it was sent, with the probes of an idle connection. The first probe of a connection does not count.
func (m *Member) Asked() uint64 { return m.asked + m.line.server.mux.taken }

// Failure is why it is not connected; nil where it is, stands by, or was not tried yet.
func (m *Member) Failure() error { return m.failure }

// Leaving reports that it is not on the list any more, and serves until another one does.
func (m *Member) Leaving() bool { return m.leaving }

// expire does what is due.
func (m *Member) expire(now time.Duration) {
	m.line.server.Expire(now)
	if m.next != nil {
		m.next.server.Expire(now)
	}
	if m.startAt <= now {
		m.start(now)
	}
}

// start begins an attempt of a link that rests.
func (m *Member) start(now time.Duration) {
	m.startAt = deadline.Never
	if m.line.server.link.Resting() {
		m.line.server.Start(now)
	}
}

// rest ends its connection or its attempts.
func (m *Member) rest(now time.Duration) {
	m.startAt, m.drainTo = deadline.Never, deadline.Never
	m.endMove(now)
	m.line.server.Rest(now)
}
