package load

import (
	"fmt"

	"distcache/codec"
)

// result is what became of one operation.
type result uint8

const (
	hit   result = iota // stored, found, removed
	miss                // there already (ADD), not found: as it must or may be
	lost                // it should be there, and the cache may forget (Config.Lossy)
	wrong               // a violation
)

// judge decides whether answers can be right.
type judge struct {
	plan  *plan
	lossy bool
	slack int64 // nanoseconds
}

// judge compares the answer to a request that was sent at p.begun, and read at now, with what is known of its session,
// and takes note of what the answer tells. fault says what is wrong when the result is wrong; it is costly to build, and
// nothing else is.
func (j *judge) judge(s *session, p *pending, a *Answer, now int64) (result, *fault) {
	expected := s.presence(p.begun, now, j.slack)
	if p.isAdd() {
		return j.judgeAdd(s, p, a, now, expected)
	}
	found := a.Kind == Yes
	if p.op == codec.OpGet && found && expected != absent && !j.plan.isContent(a.Data, s.content()) {
		return wrong, j.differs(s, a)
	}
	switch {
	case found && expected == absent:
		return wrong, &fault{FaultFound, fmt.Sprintf("the session was found, and must not be: %s", s.history(p.begun))}
	case found:
		if p.op == codec.OpRemove {
			s.state = removed
		}
		return hit, nil
	case expected == present:
		return j.missing(s, now, "the session was not found, and must be")
	case expected == either:
		s.state = vanished
	}
	return miss, nil
}

func (j *judge) judgeAdd(s *session, p *pending, a *Answer, now int64, expected presence) (result, *fault) {
	if a.Kind == No {
		if expected == absent {
			return wrong, &fault{FaultFound, fmt.Sprintf("the ADD was refused because the session is there, and it must not be: %s",
				s.history(p.begun))}
		}
		return miss, nil
	}
	if expected == present {
		return j.missing(s, now, "the ADD was accepted, though the session must still be there")
	}
	s.add(&p.operation, j.plan.tag(p.client, p.index), p.begun, now)
	return hit, nil
}

// missing deals with a session that is not there and should be. After a loss nobody knows whether the session comes
// back (with another server, say), so it is retired.
func (j *judge) missing(s *session, now int64, what string) (result, *fault) {
	if !j.lossy {
		return wrong, &fault{FaultLost, fmt.Sprintf("%s: %s", what, s.history(now))}
	}
	s.retire()
	return lost, nil
}

// differs says where the data of a GET differ.
func (j *judge) differs(s *session, a *Answer) *fault {
	want := j.plan.appendContent(nil, s.content())
	if len(a.Data) != len(want) {
		return &fault{FaultData, fmt.Sprintf("the data have %d bytes, want the %d that were added", len(a.Data), len(want))}
	}
	for i := range want {
		if a.Data[i] != want[i] {
			return &fault{FaultData, fmt.Sprintf("byte %d of %d of the data is 0x%02x, want 0x%02x as added", i, len(want), a.Data[i], want[i])}
		}
	}
	return &fault{FaultData, "the data differ"}
}
