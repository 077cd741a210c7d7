package upstream

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"distcache/engine/deadline"

	"github.com/cespare/xxhash/v2"
)

// Arrange makes names the list, in this order. Members that are on it already stay as they are; add gives what a new one
// needs. The one that serves and is not on the list any more goes on to serve until another one does. A list that is the
// same changes nothing, and after Stop none does.
func (s *Servers) Arrange(names []string, add func(name string) Spec, now time.Duration) {
	if s.stopping || s.Lists(names) {
		return
	}
	old := s.members
	s.members = make([]*Member, 0, len(names)+1)
	for _, name := range names {
		if i := slices.IndexFunc(old, func(m *Member) bool { return m.name == name }); i >= 0 {
			old[i].leaving = false
			s.members = append(s.members, old[i])
		} else {
			s.members = append(s.members, s.newMember(add(name)))
		}
	}
	shares := make([]string, 0, len(names))
	for _, m := range s.members {
		shares = append(shares, m.share)
	}
	s.share = newRendezvous(shares)
	for _, m := range old {
		switch {
		case slices.Contains(s.members, m):
		case m == s.serving:
			m.leaving = true
			s.members = append(s.members, m)
		default:
			s.remove(m, now)
		}
	}
	if !slices.ContainsFunc(s.members, func(m *Member) bool { return m.line.server == s.target }) {
		s.target = s.members[0].line.server
	}
	if s.started {
		s.rearrange(now)
	}
}

// Lists reports whether names are the list already, in this order.
func (s *Servers) Lists(names []string) bool {
	return slices.EqualFunc(s.members, names, func(m *Member, name string) bool { return m.name == name && !m.leaving })
}

func (s *Servers) newMember(spec Spec) *Member {
	m := &Member{name: spec.Name, share: cmp.Or(spec.Share, spec.Name), of: s, startAt: deadline.Never, drainTo: deadline.Never}
	m.line = s.newLine(m, spec.Config, spec.Transport, spec.Watcher)
	return m
}

// rearrange acts on a list that has changed.
func (s *Servers) rearrange(now time.Duration) {
	if s.config.Spread {
		for _, m := range s.members {
			m.start(now)
		}
		return
	}
	for _, m := range s.members { // the first that is up; one that is leaving counts only while it serves
		if m.State() == Up && !(m.leaving && m != s.serving) {
			s.serve(m, now)
			return
		}
	}
	s.startRound(nil, now)
}

// remove takes a member off the list for good. What it was asked it may answer.
func (s *Servers) remove(m *Member, now time.Duration) {
	m.endMove(now)
	s.retire(m.line, now)
}

// retire lets a connection end that belongs to no member any more: at once when it owes nothing.
func (s *Servers) retire(l *line, now time.Duration) {
	l.member, l.until = nil, now+s.config.Drain
	s.orphans = append(s.orphans, l)
	switch {
	case l.server.State() != Up, l.server.mux.Unanswered() == 0: // no turn may end soon
		s.end(l, now)
	case len(s.orphans) > max(1, len(s.members)):
		s.end(s.orphans[0], now)
	}
}

// end ends the connection of a line that has no member.
func (s *Servers) end(l *line, now time.Duration) {
	if i := slices.Index(s.orphans, l); i >= 0 {
		s.orphans = slices.Delete(s.orphans, i, i+1)
		l.server.Stop(now)
	}
}

// Move connects m to the server behind t, and uses that in place of the present one once the connection is up. No request
// fails for that: those that are in flight then are finished over the old connection. When the first attempt fails,
// the present server stays. ended is told which of the two happened. Another Move cancels this one; so does the end of m's
// connections, or a new connection of m to its present server. ended is not called then.
func (m *Member) Move(config Config, t Transport, w Watcher, ended func(moved bool, now time.Duration), now time.Duration) {
	m.endMove(now)
	m.next = m.of.newLine(m, config, t, w)
	m.next.ended = ended
	m.next.server.Start(now)
}

// endMove gives up a move that is under way.
func (m *Member) endMove(now time.Duration) {
	if next := m.next; next != nil {
		m.next, next.member = nil, nil
		next.server.Stop(now)
	}
}

// moveOver ends a move: its connection is the one in use.
func (m *Member) moveOver(now time.Duration) {
	s, old, next := m.of, m.line, m.next
	m.line, m.next, m.asked = next, nil, m.Asked()
	if s.target == old.server {
		s.target = next.server
	}
	s.retire(old, now)
	m.note(Probing, Up, nil, now)
	if !s.config.Spread {
		s.failOver(m, Probing, Up, now)
	}
	s.overseer.MemberChanged(m, Probing, Up, nil, now)
	next.ended(true, now)
}

// rendezvous maps session IDs to servers by the names of these (“highest random weight”): each server has a
// weight for each ID, and the greatest is chosen. The order of the servers does not matter, and one that is
// added takes from each other server as much as its own share, and nothing else moves. Each dc_client of a site
// must map alike, whatever its version: the golden values of the tests never change.
type rendezvous struct {
	names []string
	seeds []uint64 // of names
}

func newRendezvous(names []string) rendezvous {
	r := rendezvous{names: names}
	for _, name := range names {
		r.seeds = append(r.seeds, xxhash.Sum64String(name))
	}
	return r
}

// choose gives the index of the server for the session ID.
func (r *rendezvous) choose(id []byte) int {
	h, chosen, greatest := xxhash.Sum64(id), 0, uint64(0)
	for i, seed := range r.seeds {
		switch weight := mix(h ^ seed); {
		case weight > greatest || i == 0:
			chosen, greatest = i, weight
		case weight == greatest && strings.Compare(r.names[i], r.names[chosen]) < 0:
			chosen = i
		}
	}
	return chosen
}

// mix is the finalizer of MurmurHash3: each bit of x changes about half of the bits.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
