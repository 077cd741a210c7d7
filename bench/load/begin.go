package load

// fill begins as many operations of the client as it may have unanswered, and sends them. A client that rests, knocks,
// or whose socket is full, goes on when that is over.
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
	p.operation = l.plan.next(&c.stream)
	p.client, p.begun, p.intended = c.number, l.now, l.now
	if l.paced() {
		p.intended = l.pacer.intended(c.number, c.paced)
		c.paced++
		c.owed--
		record(l.tally.late, p.begun-p.intended)
	} else {
		c.quota--
	}
	s := l.session(c, p.slot)
	if p.isAdd() && l.plan.fresh {
		s.retire()
	}
	p.generation = s.generation
	c.count++
	c.unsent++
	l.outstanding++
	if l.left > 0 && l.left != unlimited {
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

// giveUp ends the client's oldest operation without service. Nobody knows whether it was carried out, nor whether it
// will be yet.
func (l *loop) giveUp(c *client, why Failure) {
	p := l.pending(c, 0)
	l.tally.fail(p.op, why, l.now-p.intended)
	l.session(c, p.slot).retire()
	l.endOldest(c)
}

// fail ends all unanswered operations of the client without service, and its connection, and lets it rest.
func (l *loop) fail(c *client, why Failure) {
	l.disconnect(c)
	l.now = l.clock.now()
	for c.count > 0 {
		l.giveUp(c, why)
	}
	c.unsent = 0
	c.until = l.now + restTime
	l.resting.push(c)
}
