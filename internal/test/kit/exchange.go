package kit

import (
	"net"
	"slices"
	"time"
)

// Exchange is one request and what may be done about it. All that writes or ends is
// queued behind what was queued before, and comes after it on the wire.
type Exchange struct {
	Conn    int     // which connection, from 1 in the order accepted
	Request Request // zero in OnConnect
	Answer  []byte  // the honest answer in wire form; nil in OnConnect

	peer *peer
}

// Fault is what an Upstream does with a request in place of the honest answer. The
// request has had its effect on the sessions already. It runs in the goroutine that
// reads that connection: nothing more is read before it returns.
type Fault func(x *Exchange)

// Write sends b.
func (x *Exchange) Write(b []byte) { x.peer.put(step{bytes: b}) }

// WriteAfter sends b, and what is queued after it, no sooner than d from now.
func (x *Exchange) WriteAfter(d time.Duration, b []byte) {
	x.peer.put(step{due: time.Now().Add(d), bytes: b, alone: true})
}

// Overtake sends b at d from now; what is queued meanwhile does not wait for it.
func (x *Exchange) Overtake(d time.Duration, b []byte) {
	time.AfterFunc(d, func() { x.peer.put(step{bytes: b}) })
}

// Trickle sends b in pieces of size bytes, gap apart, each in a write of its own.
func (x *Exchange) Trickle(b []byte, size int, gap time.Duration) {
	due := time.Now()
	for piece := range slices.Chunk(b, size) {
		x.peer.put(step{due: due, bytes: piece, alone: true})
		due = due.Add(gap)
	}
}

// Finish sends the end of the stream and goes on reading.
func (x *Exchange) Finish() { x.peer.put(step{then: closeWrite}) }

// Close closes the connection.
func (x *Exchange) Close() { x.peer.put(step{then: net.Conn.Close, last: true}) }

// Reset ends the connection with an RST; a unix socket knows none (Conn.Reset).
func (x *Exchange) Reset() { x.peer.put(step{then: reset, last: true}) }

// Over is closed when the connection is over.
func (x *Exchange) Over() <-chan struct{} { return x.peer.over }
