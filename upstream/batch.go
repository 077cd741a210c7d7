package upstream

const (
	// tailRoom is how much a client's read may bring at a time, in bytes: a request of
	// one frame and some more.
	tailRoom = 4 << 10
	// batchStart is the batch's first size, in bytes.
	batchStart = 64 << 10
)

// batch is the requests on their way to dc_server: buf[sent:] is still to be written,
// the capacity behind buf is where the next one is read. What is sent, or is no part of the
// batch, is wiped: it has keys of TLS sessions.
type batch struct {
	buf    []byte
	sent   int
	tailAt int    // where the last tail began; moved: it is not there any more
	added  uint32 // requests since the last write
}

// moved tells that the batch has moved since its last tail was given.
const moved = -1

// tail gives room bytes, or a little more, behind the batch. It may move the batch.
func (b *batch) tail(room int) []byte {
	if cap(b.buf)-len(b.buf) < room {
		b.makeRoom(room)
	}
	b.tailAt = len(b.buf)
	return b.buf[len(b.buf) : len(b.buf)+room]
}

// consumed wipes what of the n bytes that were read into the last tail was not added.
func (b *batch) consumed(n int) {
	if b.tailAt == moved {
		return
	}
	if from, to := max(len(b.buf), b.tailAt), b.tailAt+n; from < to {
		clear(b.buf[from:to])
	}
}

// makeRoom moves the unsent bytes to the front. It takes larger memory when less than half
// would be free: each move is so paid for by as many new bytes.
func (b *batch) makeRoom(room int) {
	unsent, old := b.buf[b.sent:], b.buf[:min(cap(b.buf), len(b.buf)+tailRoom)]
	into := b.buf[:0]
	if enough := 2 * (len(unsent) + room); cap(b.buf) < enough {
		into = make([]byte, 0, max(batchStart, enough))
		b.buf = append(into, unsent...)
		clear(old)
	} else {
		b.buf = append(into, unsent...)
		clear(old[len(b.buf):])
	}
	b.sent, b.tailAt = 0, moved
}

// add appends wire and returns its place in the batch. wire may lie behind the batch; at
// its very tail it is not copied.
func (b *batch) add(wire []byte) []byte {
	b.added++
	at := len(b.buf)
	if cap(b.buf)-at < len(wire) {
		b.makeRoom(len(wire))
		at = len(b.buf)
	}
	b.buf = b.buf[:at+len(wire)]
	if place := b.buf[at:]; &place[0] != &wire[0] {
		copy(place, wire)
	}
	return b.buf[at:]
}

// unsent is what is still to be written.
func (b *batch) unsent() []byte { return b.buf[b.sent:] }

// wrote notes that n bytes of unsent are gone.
func (b *batch) wrote(n int) {
	clear(b.buf[b.sent : b.sent+n])
	b.added = 0
	b.sent += n
	if b.sent == len(b.buf) {
		b.buf, b.sent = b.buf[:0], 0
	}
}
