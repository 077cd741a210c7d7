package load

const (
	// batchOneIn is how many must wait for an answer for each operation in a batch, and batchAtMost the greatest batch.
	batchOneIn  = 8
	batchAtMost = 64
)

// carryOut carries out what is queued, and deals with the results in their order. What they lead to is queued anew, and
// carried out as soon as it makes a batch of the size that batchSize says.
func (l *loop) carryOut() {
	b := l.execute()
	asked, got := 0, 0
	for i := range b.calls {
		if l.violation != nil {
			break
		}
		if b.calls[i].kind == callReceive {
			asked++
		}
		if l.outcome(b, &b.calls[i]) {
			got++
		}
		if l.queued.sends >= l.batchSize() {
			l.carryOutSends()
		}
	}
	l.free = append(l.free, b)
	if asked > 0 {
		// With few waiting, a poll tells for each whether its answer is there, so none is asked in vain.
		l.eager = got == asked && l.waiting.length > pollWindow
	}
	if got > 0 {
		l.progress()
	}
}

// carryOutSends carries out what is queued while the results of another batch are dealt with: closes and sends, but no
// receives.
func (l *loop) carryOutSends() {
	b := l.execute()
	for i := range b.calls {
		if l.violation == nil {
			l.outcome(b, &b.calls[i])
		}
	}
	l.free = append(l.free, b)
}

// execute has the kernel carry out what is queued, and returns it with the results.
func (l *loop) execute() *batch {
	b := l.queued
	last := len(l.free) - 1
	l.queued, l.free = l.free[last], l.free[:last]
	l.queued.reset()
	l.replenish(b)
	l.caller.run(b)
	l.now = l.clock.now()
	return b
}

// batchSize is how many operations are dealt with together. What is in one batch is seen only when all of it is done, so
// the size keeps the error of a latency to a small part of it.
func (l *loop) batchSize() int { return max(1, min(batchAtMost, l.waiting.length/batchOneIn)) }

// outcome deals with the result of one call. It returns true when that is an answer, or the end of a connection from
// which one was expected.
func (l *loop) outcome(b *batch, done *call) bool {
	switch done.kind {
	case callClose:
		return false
	case callSocket:
		if done.result >= 0 {
			l.stash = append(l.stash, done.result)
		}
		return false
	}
	c := &l.clients[done.client]
	if c.fd != done.fd {
		// An earlier result ended this connection. Descriptors are only closed in batches, so the number is no other's.
		return done.kind == callReceive
	}
	if done.kind == callSend {
		l.transmitted(c, b, done)
		return false
	}
	return l.received(c, b.bytes(done)[:max(0, done.result)], done.errno())
}

// carryOutIfFull keeps a batch from growing without bound where many clients begin at once.
func (l *loop) carryOutIfFull() {
	if l.queued.sends >= batchAtMost {
		l.carryOut()
	}
}
