package load

import (
	"distcache/bench/load/plan"

	"golang.org/x/sys/unix"
)

// transmit sends the requests that the connection has not been given, and makes a connection if there is none. A batch
// has only one send of a client: if a socket takes only part of one, it must not be given the next.
func (l *loop) transmit(c *client) {
	if c.unsent == 0 || c.queued > 0 || c.out != nil {
		return
	}
	if c.link == closed {
		l.dial(c)
	}
	if c.link != open {
		return
	}
	from := len(l.queued.outbox)
	for i := c.count - c.unsent; i < c.count; i++ {
		l.queued.outbox = l.encoder.Append(l.queued.outbox, l.pending(c, i))
	}
	c.queued, c.unsent = c.unsent, 0
	l.queued.send(c, from, c.queued)
}

// transmitted deals with the result of a send. The requests of which part was sent count as sent.
func (l *loop) transmitted(c *client, b *batch, done *call) {
	errno := done.errno()
	switch {
	case errno == unix.EPIPE && c.served && c.sent() == 0:
		// The server closed an idle connection, as it may: nothing was asked on it yet.
		l.disconnect(c)
		l.transmit(c)
		return
	case errno != 0 && !again(errno):
		l.fail(c, whyLost(errno))
		return
	}
	rest := b.bytes(done)[max(0, done.result):]
	if done.requests == 0 {
		l.sentRest(c, rest)
		return
	}
	c.queued = 0
	if len(rest) > 0 {
		c.out = append(l.takeSpare(), rest...)
		l.watch(c, unix.EPOLLIN|unix.EPOLLOUT)
		return
	}
	l.await(c)
	l.transmit(c)
}

// sendRest goes on where the socket took no more.
func (l *loop) sendRest(c *client) {
	from := len(l.queued.outbox)
	l.queued.outbox = append(l.queued.outbox, c.out...)
	l.queued.send(c, from, 0)
}

func (l *loop) sentRest(c *client, rest []byte) {
	if len(rest) > 0 {
		c.out = append(c.out[:0], rest...)
		return
	}
	l.giveSpare(c.out)
	c.out = nil
	l.leave(c)
	l.await(c)
	l.transmit(c)
}

// await puts a client into the queue for answers. Its requests have been sent.
func (l *loop) await(c *client) {
	if c.place == nowhere && c.sent() > 0 {
		l.waiting.push(c)
	}
}

// takeSpare returns an empty buffer from those given back.
func (l *loop) takeSpare() []byte {
	if n := len(l.spare); n > 0 {
		b := l.spare[n-1]
		l.spare = l.spare[:n-1]
		return b[:0]
	}
	return nil
}

func (l *loop) giveSpare(b []byte) {
	if cap(b) > 0 {
		l.spare = append(l.spare, b)
	}
}

// fill begins as many operations as the client may have unanswered, and sends them. A client that rests or knocks, or
// that has a full socket, goes on when that is over.
func (l *loop) fill(c *client) {
	depth := uint32(l.config.Pipeline)
	if c.place == inResting || c.count == depth || !l.mayBegin(c) {
		return
	}
	l.now = l.clock.now()
	for c.count < depth && l.mayBegin(c) {
		l.begin(c)
	}
	l.transmit(c)
}

func (l *loop) fillAll() {
	for i := range l.clients {
		l.fill(&l.clients[i])
		l.carryOutIfFull()
	}
}

// begin draws the client's next operation. From here on it counts as unanswered.
func (l *loop) begin(c *client) {
	p := l.pending(c, c.count)
	p.Operation = l.plan.Next(&c.stream)
	p.Client, p.Begun, p.Intended = c.number, l.now, l.now
	if l.paced() {
		p.Intended = l.pacer.Intended(c.number, c.paced)
		c.paced++
		c.owed--
		plan.Record(l.tally.Late, p.Begun-p.Intended)
	} else {
		c.quota--
	}
	s := l.session(c, p.Slot)
	if p.IsAdd() && l.plan.Fresh {
		s.Retire()
	}
	p.Generation = s.Generation
	c.count++
	c.unsent++
	l.outstanding++
	if l.left > 0 && l.left != plan.Unlimited {
		l.left--
	}
}

// endOldest takes the client's oldest operation off its ring.
func (l *loop) endOldest(c *client) {
	c.first = (c.first + 1) % uint32(l.config.Pipeline)
	c.count--
	l.outstanding--
	l.lastEnd = l.now
}

// giveUp ends the client's oldest operation as an error. The server may have carried it out, or still do so.
func (l *loop) giveUp(c *client, why plan.Failure) {
	p := l.pending(c, 0)
	l.tally.Fail(p.Op, why, l.now-p.Intended)
	l.session(c, p.Slot).Retire()
	l.endOldest(c)
}

// fail ends all unanswered operations of the client as errors, closes its connection, and lets it rest.
func (l *loop) fail(c *client, why plan.Failure) {
	l.disconnect(c)
	l.now = l.clock.now()
	for c.count > 0 {
		l.giveUp(c, why)
	}
	c.unsent = 0
	c.until = l.now + restTime
	l.resting.push(c)
}
