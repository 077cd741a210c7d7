package load

import "golang.org/x/sys/unix"

// call is one step of a connection's life, to be carried out by the kernel. None blocks: what cannot be done at once has
// the result EAGAIN.
type call struct {
	kind     callKind
	fd       int32
	client   uint32 // whose it is; of no meaning for callSocket and callClose
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
