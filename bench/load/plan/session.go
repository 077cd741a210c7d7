package plan

import (
	"fmt"
	"time"

	"distcache/codec"
)

// Session is what is known of one of a client's sessions. Times are of the run's clock, in nanoseconds.
type Session struct {
	earliest   int64 // found for certain before this
	latest     int64 // gone for certain after this
	tag        uint64
	cut        uint32
	size       uint16
	state      state
	Generation uint32
}

// state is what the last answers say of a session; time decides the rest.
type state uint8

const (
	neverAdded state = iota
	added
	removed
	vanished // it was not found when it may have expired
)

// presence is whether a request must find a session.
type presence uint8

const (
	absent presence = iota
	present
	either
)

// driftDivisor makes 200 ppm of a session's life: what two clocks may differ by.
const driftDivisor = 5000

// presence tells it for a request that is carried out between from (sent) and to (answer read). slack widens the window
// around the expiry.
func (s *Session) presence(from, to, slack int64) presence {
	switch {
	case s.state != added || from > s.latest+slack:
		return absent
	case to < s.earliest-slack:
		return present
	}
	return either
}

// add takes note that the server stored the session between from and to, to live so long.
func (s *Session) add(o *Operation, tag uint64, from, to int64) {
	life, drift := int64(o.life()), int64(o.life())/driftDivisor
	s.earliest, s.latest = from+life-drift, to+life+drift
	s.tag, s.cut, s.size = tag, o.cut, uint16(o.size)
	s.state = added
}

// Retire gives the slot a new ID, because the state of the session is unknown.
func (s *Session) Retire() {
	s.Generation++
	s.state = neverAdded
}

func (s *Session) content() content { return content{tag: s.tag, cut: s.cut, size: uint32(s.size)} }

// history says for a violation why the session must be there, or not, at that time.
func (s *Session) history(at int64) string {
	switch s.state {
	case removed:
		return "it was removed"
	case vanished:
		return "it expired and was not found since"
	case added:
		if at > s.latest {
			return "it expired at least " + rounded(at-s.latest) + " before"
		}
		return "it was added and has at least " + rounded(s.earliest-at) + " to live"
	}
	return "it was never added"
}

func rounded(nanos int64) string { return time.Duration(nanos).Round(time.Microsecond).String() }

// Outcome is what became of one operation.
type Outcome uint8

// The outcomes.
const (
	Hit   Outcome = iota // stored, found, removed
	Miss                 // there already (ADD), not found: as it must or may be
	lost                 // it should be there, and the cache may forget (Config.Lossy)
	wrong                // a violation
)

// Judge decides whether answers can be right.
type Judge struct {
	Plan  *Plan
	Lossy bool
	Slack int64 // nanoseconds
}

// Judge compares the answer to a request that was sent at p.begun, and read at now, with what is known of its session,
// and takes note of what the answer tells. The finding says what is wrong when the outcome is wrong; it is costly to build, and
// nothing else is.
func (j *Judge) Judge(s *Session, p *Pending, a *Answer, now int64) (Outcome, *Finding) {
	expected := s.presence(p.Begun, now, j.Slack)
	if p.IsAdd() {
		return j.judgeAdd(s, p, a, now, expected)
	}
	found := a.Kind == Yes
	if p.Op == codec.OpGet && found && expected != absent && !j.Plan.isContent(a.Data, s.content()) {
		return wrong, j.differs(s, a)
	}
	switch {
	case found && expected == absent:
		return wrong, &Finding{Kind: FaultFound, Reason: fmt.Sprintf("the session was found, and must not be: %s", s.history(p.Begun))}
	case found:
		if p.Op == codec.OpRemove {
			s.state = removed
		}
		return Hit, nil
	case expected == present:
		return j.missing(s, now, "the session was not found, and must be")
	case expected == either:
		s.state = vanished
	}
	return Miss, nil
}

func (j *Judge) judgeAdd(s *Session, p *Pending, a *Answer, now int64, expected presence) (Outcome, *Finding) {
	if a.Kind == No {
		if expected == absent {
			return wrong, &Finding{Kind: FaultFound, Reason: fmt.Sprintf("the ADD was refused because the session is there, and it must not be: %s",
				s.history(p.Begun))}
		}
		return Miss, nil
	}
	if expected == present {
		return j.missing(s, now, "the ADD was accepted, though the session must still be there")
	}
	s.add(&p.Operation, j.Plan.tag(p.Client, p.Index), p.Begun, now)
	return Hit, nil
}

// missing deals with a session that is not there and should be. After a loss the session may come back
// (with another server, say), so it is retired.
func (j *Judge) missing(s *Session, now int64, what string) (Outcome, *Finding) {
	if !j.Lossy {
		return wrong, &Finding{Kind: FaultLost, Reason: fmt.Sprintf("%s: %s", what, s.history(now))}
	}
	s.Retire()
	return lost, nil
}

// differs says where the data of a GET differ.
func (j *Judge) differs(s *Session, a *Answer) *Finding {
	want := j.Plan.appendContent(nil, s.content())
	if len(a.Data) != len(want) {
		return &Finding{Kind: FaultData, Reason: fmt.Sprintf("the data have %d bytes, want the %d that were added", len(a.Data), len(want))}
	}
	for i := range want {
		if a.Data[i] != want[i] {
			return &Finding{Kind: FaultData, Reason: fmt.Sprintf("byte %d of %d of the data is 0x%02x, want 0x%02x as added", i, len(want), a.Data[i], want[i])}
		}
	}
	return &Finding{Kind: FaultData, Reason: "the data differ"}
}
