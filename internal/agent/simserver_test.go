package agent

import (
	"bytes"
	"errors"
	"slices"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/upstream"
)

// server is a connection and the dc_server behind it.
type server struct {
	w         *world
	state     connection
	dialed    bool
	lastDial  time.Duration
	retry     time.Duration // the time from that dial to the next; jitter takes up to a fifth off
	wasUp     bool          // the link was up since then
	closes    int           // connections and attempts that have ended
	blocked   bool          // it takes no more bytes now
	probeID   []byte        // of the last probe
	requests  codec.Assembler
	in        []byte // the beginning of a request
	pending   []pending
	answered  [][]byte // answers that were given, to be given again
	uids      []uint32 // all that were ever used
	out       []byte   // on the way to the agent
	heard     time.Duration
	said      int  // answers on this connection
	proved    bool // the first of them was a good one, to the probe
	tainted   bool // something in out, or delivered, may cost the connection
	poisoned  bool // something in out must cost the connection
	offending bool // we are ending the connection
}

type connection uint8

const (
	off connection = iota
	dialing
	connected
)

// pending is one request that dc_server has.
type pending struct {
	uid    uint32
	op     codec.Op
	digest uint64
	probe  bool
	came   time.Duration
}

var (
	errRefused = errors.New("connection refused")
	errWrite   = errors.New("broken pipe")
)

// Drive implements upstream.Transport.
func (s *server) Drive(*upstream.Link) {}

// Dial implements upstream.Transport.
func (s *server) Dial() {
	w := s.w
	w.note("dial")
	w.must(s.state == off, "dialed while connected")
	w.must(!w.stopped, "dialed after the end")
	most := w.config.Server.Retry
	if s.retry == 0 || s.wasUp && w.downAt-s.lastDial >= most {
		s.retry = min(100*ms, most)
	}
	retry := s.retry
	if s.dialed {
		s.retry = min(2*s.retry, most)
		w.must(w.now-s.lastDial >= retry*8/10, "dialed again after %v with a retry time of %v", w.now-s.lastDial, retry)
		soonest := w.downAt
		if s.wasUp {
			soonest += min(upstream.LossJitter, w.config.Server.Timeout/4, most)
		}
		w.must(w.hurried || w.now <= max(s.lastDial+retry, soonest), "dialed %v after the last time, %v after the loss, with a retry time of %v",
			w.now-s.lastDial, w.now-w.downAt, retry)
	}
	s.state, s.dialed, s.lastDial, s.wasUp = dialing, true, w.now, false
}

// Close implements upstream.Transport.
func (s *server) Close() {
	s.w.note("connection closed")
	s.w.must(s.state != off, "closed what is closed")
	s.state = off
	s.closes++
	s.blocked = false
	s.requests, s.in, s.pending, s.answered, s.out = codec.Assembler{}, nil, nil, nil, nil
}

// Write implements upstream.Transport.
func (s *server) Write(b []byte) (int, error) {
	w := s.w
	w.must(s.state == connected, "written to without a connection")
	w.must(!s.blocked, "written to while it takes nothing")
	w.must(len(b) > 0, "nothing written")
	n := len(b)
	switch k := w.rng.IntN(100); {
	case w.calm:
	case k == 0:
		w.note("write fails")
		s.offending = true
		return 0, errWrite
	case k < 15:
		n = w.rng.IntN(len(b) + 1)
	}
	s.blocked = n < len(b)
	s.offending = s.blocked && w.state == upstream.Probing // not even the probe is taken
	w.note("%d of %d bytes written to dc_server", n, len(b))
	s.receive(b[:n])
	return n, nil
}

func (s *server) receive(b []byte) {
	s.in = append(s.in, b...)
	for {
		m, err := s.requests.Next(s.in)
		if err == codec.ErrShort {
			return
		}
		s.w.must(err == nil, "dc_server got %v", err)
		s.in = s.in[len(m.Wire):]
		s.arrive(m)
	}
}

// arrive takes one whole request: one that somebody asked, once, or a probe; and under
// a uid that was never used before.
func (s *server) arrive(m codec.Message) {
	w := s.w
	payload := m.Payload(nil)
	p := pending{uid: m.UID, op: m.Op, came: w.now}
	p.probe = m.Op == codec.OpHave && bytes.Equal(payload, s.probeID)
	if !p.probe {
		p.digest = digest(m.Op, payload)
		i := slices.IndexFunc(w.asked, func(a *ask) bool {
			return a.digest == p.digest && !a.short && (a.tiny || !a.forwarded)
		})
		w.must(i >= 0, "dc_server got a %v of %d bytes that nobody asked, or asked once", m.Op, len(payload))
		w.asked[i].forwarded = true
	}
	if w.state == upstream.Up {
		w.must(!slices.Contains(s.uids, m.UID), "uid %#x is used again", m.UID)
		s.uids = append(s.uids, m.UID)
	}
	s.pending = append(s.pending, p)
}

// finishDial ends the attempt under way, one way or the other; or not at all.
func (s *server) finishDial() {
	w := s.w
	if s.state != dialing {
		return
	}
	switch k := w.rng.IntN(10); {
	case k < 7 || w.calm:
		w.note("connected")
		s.state, s.heard = connected, w.now
		s.said, s.proved, s.tainted, s.poisoned, s.offending = 0, false, false, false, false
		w.agent.Server().Link().Connected(w.now)
	case k < 9:
		w.note("refused")
		s.offending = true
		w.agent.Server().Link().Broken(errRefused, w.now)
	}
}

// reply lets dc_server answer one request: the next, or any.
func (s *server) reply() {
	w := s.w
	if len(s.pending) == 0 {
		return
	}
	i := 0
	if w.roll(20) && !w.calm {
		i = w.rng.IntN(len(s.pending))
	}
	p := s.pending[i]
	s.pending = slices.Delete(s.pending, i, i+1)
	payload := s.answer(p)
	s.proved = s.proved || p.probe && s.said == 0 && len(payload) == 1 && payload[0] < 2
	s.say(p.uid, p.op, payload)
}

// say puts an answer on its way.
func (s *server) say(uid uint32, op codec.Op, payload []byte) {
	s.said++
	at := len(s.out)
	s.out = codec.AppendMessage(s.out, codec.Response, uid, op, payload)
	s.answered = append(s.answered, slices.Clone(s.out[at:]))
	s.w.note("dc_server answers uid %#x, %d bytes", uid, len(payload))
}

// answer is what dc_server says to p.
func (s *server) answer(p pending) []byte {
	w := s.w
	if !p.probe {
		return answerTo(p.digest)
	}
	if w.state == upstream.Probing && w.roll(10) && !w.calm {
		return pick(w, nil, []byte{2}, []byte{1, 1}, []byte{100})
	}
	return []byte{byte(w.rng.IntN(2))}
}

// deliver brings some of what is on its way.
func (s *server) deliver() {
	w := s.w
	if s.state != connected || len(s.out) == 0 {
		return
	}
	n := len(s.out)
	if w.roll(40) {
		n = 1 + w.rng.IntN(n)
	}
	buf := w.agent.Server().Link().Buffer()
	w.must(len(buf) > 0, "the link has no room for answers")
	n = copy(buf, s.out[:n])
	s.out = s.out[n:]
	s.heard = w.now
	all := len(s.out) == 0
	w.note("%d bytes delivered", n)
	w.agent.Server().Link().Received(n, w.now)
	w.must(!all || !s.poisoned || s.state == off, "the link outlives garbage")
}

// misbehave lets dc_server do what it should not.
func (s *server) misbehave() {
	w := s.w
	if s.state != connected || !w.roll(40) {
		return
	}
	switch k := w.rng.IntN(12); {
	case k < 3 && len(s.answered) > 0:
		w.note("dc_server repeats itself")
		s.out = append(s.out, pick(w, s.answered...)...)
		s.said++
	case k < 5:
		w.note("dc_server answers what nobody asked")
		s.say(s.nobodys(), codec.OpGet, w.bytes(30))
	case k < 8 && len(s.pending) > 0 && w.config.Server.Timeout != deadline.Never:
		w.note("dc_server forgets a request")
		s.pending = s.pending[1:]
	case k == 8 && len(s.pending) > 0:
		p := s.pending[0]
		w.note("dc_server answers uid %#x with the wrong operation", p.uid)
		s.say(p.uid, (p.op+1)%codec.NumOps, w.bytes(30))
	case k == 9:
		w.note("dc_server sends garbage")
		s.out = append(s.out, pick(w, "garbage, not an answer", "\x00\x11\x00\x00\x00 a request")...)
		s.poisoned = true
	default:
		return
	}
	s.tainted = true
}

// nobodys is a uid that is not in flight: of a slot that is never used, or of a
// generation that is far off.
func (s *server) nobodys() uint32 {
	if len(s.uids) > 0 && s.w.roll(50) {
		return pick(s.w, s.uids...) + 0x4000_0000
	}
	return s.w.rng.Uint32() | 0x8000
}

// breakOff ends the connection or the attempt, maybe in the middle of an answer.
func (s *server) breakOff() {
	if s.state == off {
		return
	}
	s.w.note("dc_server is gone")
	s.offending = true
	s.w.agent.Server().Link().Broken(upstream.ErrClosed, s.w.now)
}

// writable lets the connection take bytes again.
func (s *server) writable() {
	if s.state == connected && s.blocked {
		s.blocked = false
		s.w.note("dc_server reads on")
		s.w.agent.Server().Link().Writable(s.w.now)
	}
}
