package load

import (
	"fmt"
	"time"
)

// scanEvery is how often the clients are looked through for answers that are missing, at most.
const scanEvery = int64(100 * time.Millisecond)

// chores looks after what is not urgent.
func (l *loop) chores() {
	l.nextChores = l.now + choresEvery
	l.publish()
	select {
	case <-l.cancelled:
		l.cancelled = nil
		l.cancel()
	default:
	}
	l.knockAgain()
	l.rouse()
	l.checkLingering(l.now - lingerTime)
	if l.now >= l.nextScan {
		l.nextScan = l.now + min(scanEvery, int64(l.config.AnswerLimit)/10)
		l.scan()
	}
	if l.knocking.length > 0 {
		l.nextChores = l.now + knockEvery
	}
}

// rouse lets those go on that have rested.
func (l *loop) rouse() {
	for c := l.resting.front(); c != nil && c.until <= l.now; c = l.resting.front() {
		l.resting.remove(c)
		l.fill(c)
		l.carryOutIfFull()
	}
}

// scan looks for requests whose answer is overdue.
func (l *loop) scan() {
	now := l.clock.now()
	for i := range l.clients {
		c := &l.clients[i]
		if c.count > 0 && now-l.pending(c, 0).begun > int64(l.config.AnswerLimit) && l.violation == nil {
			l.overdue(c)
		}
	}
}

// overdue deals with a client whose oldest request has waited too long. The answer may lie unread in the socket, if it
// is this process that was held up.
func (l *loop) overdue(c *client) {
	if c.link == open && c.sent() > 0 && l.receiveNow(c) {
		return
	}
	switch {
	case c.link != open:
		l.fail(c, FailedConnect)
	case l.config.Lossy:
		l.fail(c, FailedTimeout)
	default:
		l.now = l.clock.now()
		p := l.pending(c, 0)
		l.violate(p, c.in, &fault{FaultMissing, fmt.Sprintf("none within %v; %d bytes of it have come", l.config.AnswerLimit, len(c.in))})
	}
}
