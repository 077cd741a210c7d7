package load

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
)

// received deals with the result of a receive. It returns false when nothing had come.
func (l *loop) received(c *client, b []byte, errno unix.Errno) bool {
	switch {
	case errno != 0 && again(errno):
		return false
	case errno != 0:
		l.fail(c, whyLost(errno))
	case len(b) == 0:
		l.fail(c, FailedClosed)
	default:
		l.take(c, b)
	}
	return true
}

// receiveNow reads what has come for the client without waiting for a batch.
func (l *loop) receiveNow(c *client) bool {
	n, errno := receiveSocket(int(c.fd), l.scratch)
	l.now = l.clock.now()
	return l.received(c, l.scratch[:n], errno)
}

// take deals with the bytes that have come, and begins what may then begin.
func (l *loop) take(c *client, b []byte) {
	if c.in != nil {
		c.in = append(c.in, b...)
		b = c.in
	}
	taken := l.settleAll(c, b)
	if l.violation != nil {
		return
	}
	l.keep(c, b[taken:])
	if c.count == 0 && !l.config.KeepAlive {
		l.part(c)
	} else if c.out == nil {
		l.leave(c)
	}
	l.fill(c)
	l.await(c)
}

// settleAll settles each whole answer in b, and returns how many bytes those take.
func (l *loop) settleAll(c *client, b []byte) int {
	taken := 0
	for taken < len(b) && l.violation == nil {
		if c.sent() == 0 {
			l.unasked(c, b[taken:])
			return taken
		}
		n := l.settle(c, b[taken:])
		if n == 0 {
			return taken
		}
		taken += n
	}
	return taken
}

// settle settles the client's oldest operation with the answer at the start of b, and returns how many bytes that takes:
// 0 when it is not whole yet.
func (l *loop) settle(c *client, b []byte) int {
	p := l.pending(c, 0)
	a, n, err := l.encoder.protocol.ParseAnswer(b, p.asked())
	switch {
	case err == codec.ErrShort:
		return 0
	case err != nil:
		l.violate(p, b, &fault{FaultCorrupt, err.Error()})
		return 0
	}
	if f := l.mismatch(c, p, &a); f != nil {
		l.violate(p, b, f)
		return 0
	}
	if a.Kind == Unavailable {
		l.giveUp(c, FailedDisconnected)
	} else if !l.verify(c, p, &a, b) {
		return 0
	}
	c.previous, c.served = a.Asked, true
	return n
}

// mismatch says what is wrong with an answer whatever the session's state is.
func (l *loop) mismatch(c *client, p *pending, a *Answer) *fault {
	switch {
	case a.UID == p.uid && a.Op != p.op:
		return &fault{FaultOperation, fmt.Sprintf("operation %v in the answer, want %v", a.Op, p.op)}
	case a.UID != p.uid && c.served && a.Asked == c.previous:
		return &fault{FaultSecond, fmt.Sprintf("request_uid 0x%08x in the answer is that of the request before, which was answered; want 0x%08x", a.UID, p.uid)}
	case a.UID != p.uid:
		return &fault{FaultUID, fmt.Sprintf("request_uid 0x%08x in the answer, want 0x%08x", a.UID, p.uid)}
	case a.Kind == Nonsense && l.config.Verify == VerifyFull:
		return &fault{FaultStatus, fmt.Sprintf("the payload %x is no answer to %v", a.Data[:min(len(a.Data), 16)], p.op)}
	}
	return nil
}

// verify ends the client's oldest operation with its answer, and reports whether that can be right.
func (l *loop) verify(c *client, p *pending, a *Answer, b []byte) bool {
	r := hit
	if l.config.Verify == VerifyFull {
		var f *fault
		if r, f = l.judge.judge(l.session(c, p.slot), p, a, l.now); f != nil {
			l.violate(p, b, f)
			return false
		}
	} else if a.Kind == No {
		r = miss
	}
	l.tally.answered(p.op, r, l.now-p.intended)
	l.endOldest(c)
	return true
}

// keep holds on to the beginning of an answer.
func (l *loop) keep(c *client, rest []byte) {
	switch {
	case len(rest) == 0 && c.in != nil:
		l.giveSpare(c.in)
		c.in = nil
	case len(rest) > 0 && c.in == nil:
		c.in = append(l.takeSpare(), rest...)
	case len(rest) > 0:
		c.in = c.in[:copy(c.in, rest)]
	}
}

// unasked deals with bytes that come when everything is answered.
func (l *loop) unasked(c *client, b []byte) {
	depth := uint32(l.config.Pipeline)
	p := &l.pendings[c.number*depth+(c.first+depth-1)%depth] // the one that was answered last
	l.violate(p, b, &fault{FaultSecond, fmt.Sprintf("%d bytes more come after the answer", len(b))})
}

// violate ends the run.
func (l *loop) violate(p *pending, answer []byte, f *fault) {
	if l.violation != nil {
		return
	}
	l.violation = &Violation{
		Fault: f.kind, Reason: f.reason,
		Client: p.client, Index: p.index, Op: p.op, UID: p.uid,
		ID:   l.plan.appendID(nil, p.name()),
		Sent: time.Duration(p.begun), Read: time.Duration(l.now),
		Request: l.encoder.append(nil, p),
		Answer:  append([]byte(nil), answer...),
		Seed:    l.plan.seed, Salt: l.plan.salt,
		protocol: l.encoder.protocol,
	}
}
