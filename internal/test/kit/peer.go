package kit

import (
	"bufio"
	"errors"
	"io"
	"net"
	"slices"
	"sync"
	"time"

	"distcache/codec"
)

// maxQueued is how many writes of one connection may wait. When it is full, the
// connection is not read until there is room: that is how a real server behaves.
const maxQueued = 1024

// The buffers of connections are used again: tests make thousands of short ones, and to clear
// new buffers would take a third of their CPU time.
var (
	readBuffers = sync.Pool{New: func() any { return new(readBuffer) }}
	writers     = sync.Pool{New: func() any { return bufio.NewWriterSize(nil, 1<<16) }}
)

type readBuffer [4 * codec.MaxMessageSize]byte

// peer is one connection that an Upstream accepted.
type peer struct {
	up    *Upstream
	sock  net.Conn
	conn  int // from 1, in the order accepted
	queue chan *step
	over  chan struct{} // closed when the connection is
	once  sync.Once
}

// step is one thing to do on the way out.
type step struct {
	bytes []byte
	alone bool                 // in a write of its own, what was queued before goes first
	due   time.Time            // of one that is alone: not before that; zero: at once
	then  func(net.Conn) error // after the bytes; nil: go on
	last  bool                 // the connection is over after that
}

func newPeer(u *Upstream, sock net.Conn, conn int) *peer {
	return &peer{up: u, sock: sock, conn: conn, queue: make(chan *step, maxQueued), over: make(chan struct{})}
}

// end closes the connection, in the manner of how, once.
func (p *peer) end(how func(net.Conn) error) {
	p.once.Do(func() {
		close(p.over)
		_ = how(p.sock)
	})
}

// put queues a step, and reports false when the connection is over.
func (p *peer) put(s step) bool {
	select {
	case p.queue <- &s:
		return true
	case <-p.over:
		return false
	}
}

// read runs in its own goroutine for as long as the connection lives.
func (p *peer) read(greet Fault) {
	if greet != nil {
		greet(&Exchange{Conn: p.conn, peer: p})
	}
	requests := codec.NewAssembler(codec.Request)
	buffer := readBuffers.Get().(*readBuffer)
	defer readBuffers.Put(buffer)
	b := buffer[:]
	start, end := 0, 0
	for number := 1; ; {
		m, err := requests.Next(b[start:end])
		switch {
		case err == nil:
			p.handle(number, m)
			number++
			start += len(m.Wire)
			continue
		case !errors.Is(err, codec.ErrShort):
			p.up.record.spoilt(err)
			p.end(net.Conn.Close)
			return
		}
		start, end = 0, copy(b, b[start:end])
		n, err := p.sock.Read(b[end:])
		if err != nil {
			p.inputEnds(err)
			return
		}
		end += n
	}
}

// handle answers one request: honestly, or as a rule says.
func (p *peer) handle(number int, m codec.Message) {
	q := newRequest(p.conn, number, m)
	p.up.record.asked(q)
	x := &Exchange{Conn: p.conn, Request: q, Answer: p.up.sessions.answer(m), peer: p}
	p.up.fault(q)(x)
}

// inputEnds closes after what is queued when the other side has said that it is done,
// and at once when it is gone.
func (p *peer) inputEnds(err error) {
	if !errors.Is(err, io.EOF) {
		p.end(net.Conn.Close)
		return
	}
	p.put(step{then: net.Conn.Close, last: true})
	<-p.over
}

// write runs in its own goroutine until the connection is over.
func (p *peer) write() {
	w := writers.Get().(*bufio.Writer)
	w.Reset(p.sock)
	defer func() {
		w.Reset(nil)
		writers.Put(w)
	}()
	for {
		select {
		case s := <-p.queue:
			if !p.do(w, *s) {
				p.end(net.Conn.Close)
				return
			}
		case <-p.over:
			return
		}
	}
}

// do takes one step, and reports whether the connection goes on.
func (p *peer) do(w *bufio.Writer, s step) bool {
	if s.alone && w.Flush() != nil {
		return false
	}
	if wait := time.Until(s.due); wait > 0 && !p.sleep(wait) {
		return false
	}
	_, _ = w.Write(s.bytes) // a bufio.Writer says it again in Flush
	if s.alone || s.then != nil || len(p.queue) == 0 {
		if w.Flush() != nil {
			return false
		}
	}
	if s.last {
		p.end(s.then)
		return false
	}
	return s.then == nil || s.then(p.sock) == nil
}

// sleep waits, and reports false when the connection is over before that.
func (p *peer) sleep(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.over:
		return false
	}
}

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

// Sent is closed when all that was queued so far is on the wire. It stays open when the
// connection is over before that.
func (x *Exchange) Sent() <-chan struct{} {
	sent := make(chan struct{})
	x.peer.put(step{then: func(net.Conn) error { close(sent); return nil }})
	return sent
}

// Finish sends the end of the stream and goes on reading.
func (x *Exchange) Finish() { x.peer.put(step{then: closeWrite}) }

// Close closes the connection.
func (x *Exchange) Close() { x.peer.put(step{then: net.Conn.Close, last: true}) }

// Reset ends the connection with an RST; a unix socket knows none (Conn.Reset).
func (x *Exchange) Reset() { x.peer.put(step{then: reset, last: true}) }

// Over is closed when the connection is over.
func (x *Exchange) Over() <-chan struct{} { return x.peer.over }
