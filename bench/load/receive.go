package load

import (
	"distcache/bench/load/plan"
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
		l.fail(c, plan.FailedClosed)
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
	a, n, err := l.encoder.Protocol.ParseAnswer(b, p.Asked())
	switch {
	case err == codec.ErrShort:
		return 0
	case err != nil:
		l.violate(p, b, &plan.Finding{Kind: plan.FaultCorrupt, Reason: err.Error()})
		return 0
	}
	if f := l.mismatch(c, p, &a); f != nil {
		l.violate(p, b, f)
		return 0
	}
	if a.Kind == plan.Unavailable {
		l.giveUp(c, plan.FailedDisconnected)
	} else if !l.verify(c, p, &a, b) {
		return 0
	}
	c.previous, c.served = a.Asked, true
	return n
}

// mismatch says what is wrong with an answer that no state of the session allows.
func (l *loop) mismatch(c *client, p *plan.Pending, a *plan.Answer) *plan.Finding {
	switch {
	case a.UID == p.UID && a.Op != p.Op:
		return &plan.Finding{Kind: plan.FaultOperation, Reason: fmt.Sprintf("operation %v in the answer, want %v", a.Op, p.Op)}
	case a.UID != p.UID && c.served && a.Asked == c.previous:
		return &plan.Finding{Kind: plan.FaultSecond, Reason: fmt.Sprintf("request_uid 0x%08x in the answer is that of the request before, which was answered; want 0x%08x", a.UID, p.UID)}
	case a.UID != p.UID:
		return &plan.Finding{Kind: plan.FaultUID, Reason: fmt.Sprintf("request_uid 0x%08x in the answer, want 0x%08x", a.UID, p.UID)}
	case a.Kind == plan.Nonsense && l.config.Verify == plan.VerifyFull:
		return &plan.Finding{Kind: plan.FaultStatus, Reason: fmt.Sprintf("the payload %x is no answer to %v", a.Data[:min(len(a.Data), 16)], p.Op)}
	}
	return nil
}

// verify ends the client's oldest operation with its answer, and reports whether the answer is possible.
func (l *loop) verify(c *client, p *plan.Pending, a *plan.Answer, b []byte) bool {
	r := plan.Hit
	if l.config.Verify == plan.VerifyFull {
		var f *plan.Finding
		if r, f = l.judge.Judge(l.session(c, p.Slot), p, a, l.now); f != nil {
			l.violate(p, b, f)
			return false
		}
	} else if a.Kind == plan.No {
		r = plan.Miss
	}
	l.tally.Answered(p.Op, r, l.now-p.Intended)
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

// unasked handles bytes that arrive when no request is unanswered.
func (l *loop) unasked(c *client, b []byte) {
	depth := uint32(l.config.Pipeline)
	p := &l.pendings[c.number*depth+(c.first+depth-1)%depth] // the one that was answered last
	l.violate(p, b, &plan.Finding{Kind: plan.FaultSecond, Reason: fmt.Sprintf("%d bytes more come after the answer", len(b))})
}

// violate ends the run.
func (l *loop) violate(p *plan.Pending, answer []byte, f *plan.Finding) {
	if l.violation != nil {
		return
	}
	l.violation = &plan.Violation{
		Fault: f.Kind, Reason: f.Reason,
		Client: p.Client, Index: p.Index, Op: p.Op, UID: p.UID,
		ID:   l.plan.AppendID(nil, p.Name()),
		Sent: time.Duration(p.Begun), Read: time.Duration(l.now),
		Request: l.encoder.Append(nil, p),
		Answer:  append([]byte(nil), answer...),
		Seed:    l.plan.Seed, Salt: l.plan.Salt,
		Protocol: l.encoder.Protocol,
	}
}

// A second answer on a temporary connection goes unseen when the first is read and the connection closed at once. So now
// and then a connection is left open a little longer, and looked at again before it is closed. The same is done with
// connections that are kept when the run ends.
const (
	lingerOneIn  = 64
	lingerTime   = int64(5 * time.Millisecond)
	lingerAtMost = 256 // connections at a time
)

// lingerer is a connection that has had its answer.
type lingerer struct {
	fd      int
	since   int64
	pending plan.Pending
}

// part ends a temporary connection after its operation.
func (l *loop) part(c *client) {
	l.closes++
	if l.closes%lingerOneIn == 1 && len(l.lingering) < lingerAtMost {
		l.leave(c)
		l.lingering = append(l.lingering, lingerer{fd: int(c.fd), since: l.now, pending: *l.pending(c, 0)})
		c.fd = noFD
	}
	l.disconnect(c)
}

// checkLingering closes the connections that have lingered since that time or longer.
func (l *loop) checkLingering(since int64) {
	for len(l.lingering) > 0 && l.lingering[0].since <= since && l.violation == nil {
		first := l.lingering[0]
		l.lingering = l.lingering[:copy(l.lingering, l.lingering[1:])]
		n, errno := receiveSocket(first.fd, l.scratch)
		closeSocket(first.fd)
		if errno == 0 && n > 0 {
			l.violate(&first.pending, l.scratch[:n], &plan.Finding{Kind: plan.FaultSecond, Reason: fmt.Sprintf("%d bytes more come after the answer", n)})
		}
	}
}

// lookBehind looks, at the end, whether more has come on the connections that are kept.
func (l *loop) lookBehind() {
	for i := range l.clients {
		c := &l.clients[i]
		if l.violation != nil {
			return
		}
		if c.link != open || c.sent() > 0 || !c.served {
			continue
		}
		if n, errno := receiveSocket(int(c.fd), l.scratch); errno == 0 && n > 0 {
			l.unasked(c, l.scratch[:n])
		}
	}
}
