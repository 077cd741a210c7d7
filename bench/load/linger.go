package load

import (
	"fmt"
	"time"
)

// A second answer on a temporary connection goes unseen when the first is read and the connection closed at once. So now
// and then a connection is left open a little longer, and looked at again before it is closed. The same is done with
// connections that are kept when the run ends.
const (
	lingerOneIn  = 64
	lingerTime   = int64(5 * time.Millisecond)
	lingerAtMost = 256 // connections at a time
)

// lingerer is a connection whose request has been answered.
type lingerer struct {
	fd      int
	since   int64
	pending pending
}

// part ends a temporary connection whose operation has ended.
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
			l.violate(&first.pending, l.scratch[:n], &fault{FaultSecond, fmt.Sprintf("%d bytes more come after the answer", n)})
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
