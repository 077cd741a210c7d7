package load

import "time"

// session is what is known of one of a client's sessions. Times are of the run's clock, in nanoseconds.
type session struct {
	earliest   int64 // found for certain before this
	latest     int64 // gone for certain after this
	tag        uint64
	cut        uint32
	size       uint16
	state      state
	generation uint32
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
func (s *session) presence(from, to, slack int64) presence {
	switch {
	case s.state != added || from > s.latest+slack:
		return absent
	case to < s.earliest-slack:
		return present
	}
	return either
}

// add takes note that the server stored the session between from and to, to live so long.
func (s *session) add(o *operation, tag uint64, from, to int64) {
	life, drift := int64(o.life()), int64(o.life())/driftDivisor
	s.earliest, s.latest = from+life-drift, to+life+drift
	s.tag, s.cut, s.size = tag, o.cut, uint16(o.size)
	s.state = added
}

// retire gives the slot a new ID, because nobody knows what became of the session.
func (s *session) retire() {
	s.generation++
	s.state = neverAdded
}

func (s *session) content() content { return content{tag: s.tag, cut: s.cut, size: uint32(s.size)} }

// history says for a violation why the session must be there, or not, at that time.
func (s *session) history(at int64) string {
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
