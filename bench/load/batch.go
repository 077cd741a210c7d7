package load

import (
	"golang.org/x/sys/unix"
)

// call is one step of a connection's life, which the kernel carries out. It never blocks: a call that cannot be done at
// once fails with EAGAIN.
type call struct {
	kind     callKind
	fd       int32
	client   uint32 // not set for callSocket and callClose
	requests uint32 // callSend: how many requests the bytes are
	from, to uint32 // callSend, callReceive: which of the batch's bytes
	result   int32  // the descriptor, the number of bytes, 0; or the error number, negative
}

type callKind uint8

const (
	callSocket callKind = iota
	callSend
	callReceive
	callClose
)

// errno returns the error, or 0.
func (c *call) errno() unix.Errno {
	if c.result >= 0 {
		return 0
	}
	return unix.Errno(-c.result)
}

// batch is calls in their order, with the memory for what they send and receive. They are carried out together, because
// going to the kernel is a good part of what a call costs.
type batch struct {
	calls  []call
	outbox []byte // what callSend sends
	inbox  []byte // what callReceive receives, in cuts of the same size
	filled uint32 // how much of the inbox is promised

	sends, receives int // how many of the calls are such
}

// caller carries out batches.
type caller interface {
	// run carries out all calls in their order and sets their results.
	run(b *batch)
	name() string
	close()
}

// inboxSize bounds the memory for answers in one batch, in bytes.
const inboxSize = 4 << 20

func newBatch(inbox int) *batch {
	return &batch{
		calls:  make([]call, 0, 8*batchAtMost),
		outbox: make([]byte, 0, 256<<10),
		inbox:  make([]byte, inbox),
	}
}

func (b *batch) reset() {
	b.calls, b.outbox, b.filled = b.calls[:0], b.outbox[:0], 0
	b.sends, b.receives = 0, 0
}

func (b *batch) socket() { b.calls = append(b.calls, call{kind: callSocket}) }

// send sends what was appended to the outbox from that offset on.
func (b *batch) send(c *client, from int, requests uint32) {
	b.sends++
	b.calls = append(b.calls, call{
		kind: callSend, fd: c.fd, client: c.number, requests: requests,
		from: uint32(from), to: uint32(len(b.outbox)),
	})
}

// receive asks for up to size bytes of answers. It returns false when the inbox has no room left.
func (b *batch) receive(c *client, size int) bool {
	if int(b.filled)+size > len(b.inbox) {
		return false
	}
	b.receives++
	to := b.filled + uint32(size)
	b.calls = append(b.calls, call{kind: callReceive, fd: c.fd, client: c.number, from: b.filled, to: to})
	b.filled = to
	return true
}

func (b *batch) close(fd int32) { b.calls = append(b.calls, call{kind: callClose, fd: fd}) }

// bytes returns the memory of a callSend or callReceive, which is not empty.
func (b *batch) bytes(c *call) []byte {
	if c.kind == callSend {
		return b.outbox[c.from:c.to]
	}
	return b.inbox[c.from:c.to]
}

const (
	// batchOneIn is how many must wait for an answer for each operation in a batch, and batchAtMost the greatest batch.
	batchOneIn  = 8
	batchAtMost = 64
)

// carryOut carries out what is queued, and deals with the results in their order. What they lead to is queued, and
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

// batchSize is the number of operations in one batch. Results are seen only when the whole batch is done, so a batch is
// small enough that this adds little to a latency.
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
