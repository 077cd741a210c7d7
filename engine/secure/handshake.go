package secure

import (
	"context"
	"crypto/tls"
	"io"
	"slices"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// state is what a Handshake does.
type state uint8

const (
	idle      state = iota // its client is to send something
	queued                 // its client has sent something
	computing              // its goroutine runs
	done
	abandoned
)

// Handshake is a server's handshake under way. Its methods are called on the loop goroutine.
type Handshake struct {
	queue   *Queue
	session *Session
	changed func()
	state   state
	started bool // the goroutine is there
	err     error

	granted chan struct{} // one for each step
	quit    chan struct{} // closed by Abandon

	// These belong to the goroutine while it computes, and to the loop otherwise.
	memory []byte // what arrived is in it
	in     []byte // what crypto/tls has not taken of that
	end    error  // what follows in; nil: more is to come
	out    []byte // what crypto/tls wrote
}

// handshakeRead is how many bytes a step gets: the messages of a client mostly come whole.
const handshakeRead = 4 << 10

// Readable tells that the socket has something to read. The caller stops to watch it until changed is called.
func (h *Handshake) Readable() {
	if h.state == idle {
		h.state = queued
		h.queue.waiting = append(h.queue.waiting, h)
		h.queue.schedule()
	}
}

// Wants reports whether the handshake waits for bytes, so that the socket is to be watched.
func (h *Handshake) Wants() bool { return h.state == idle }

// Result gives the Session once the handshake is done, or the sentence that says why it failed. Both are nil before.
func (h *Handshake) Result() (*Session, error) {
	switch {
	case h.state == abandoned:
		return nil, ErrAbandoned
	case h.state != done:
		return nil, nil
	case h.err != nil:
		return nil, h.err
	}
	return h.session, nil
}

// Session is the Session to be, for its Pending and its Flush.
func (h *Handshake) Session() *Session { return h.session }

// Silent reports whether the client has sent nothing at all.
func (h *Handshake) Silent() bool { return !h.started }

// Abandon ends the handshake before it is done. The goroutine ends soon, and changed is not called any more.
func (h *Handshake) Abandon() {
	if h.state < done {
		h.state = abandoned
		close(h.quit)
	}
	h.session.Close()
}

// take reads what the client has sent and lets the goroutine go on with it. It reports false when there was nothing.
func (h *Handshake) take() bool {
	if h.memory == nil {
		h.memory = make([]byte, handshakeRead)
	}
	n, err := socket.Read(h.session.fd, h.memory)
	switch {
	case err == unix.EAGAIN:
		h.state = idle
		h.changed()
		return false
	case err != nil:
		h.end = err
	case n == 0:
		h.end = io.EOF
	}
	h.in, h.state = h.memory[:n], computing
	if h.started {
		h.granted <- struct{}{}
	} else {
		h.started = true
		go h.run()
	}
	return true
}

// run is the goroutine.
func (h *Handshake) run() {
	err := h.session.tls.HandshakeContext(context.Background())
	_ = h.queue.post(func() { // refused where the loop has ended
		h.err = err
		h.report(done)
	})
}

// report is called on the loop goroutine when the goroutine waits or has ended.
func (h *Handshake) report(next state) {
	if h.state == computing {
		h.state = next
		h.deliver()
		switch {
		case next != done:
		case h.err != nil:
			h.err = h.session.explain(h.err)
		default:
			h.session.finish(h.in)
		}
		h.changed()
	}
	h.queue.reported(h)
}

// deliver sends what crypto/tls wrote. If that fails, the read that follows fails too.
func (h *Handshake) deliver() {
	if len(h.out) == 0 {
		return
	}
	if err := h.session.send(h.out); err != nil && h.err == nil && h.state == done {
		h.err = err
	}
	h.out = h.out[:0]
}

// finish goes on without the handshake's goroutine. rest is what crypto/tls has not taken.
func (s *Session) finish(rest []byte) {
	s.wire.handshake = nil
	s.in = rest
}

// hello notes, on the goroutine, what crypto/tls tells in words alone: that the client does not speak TLS 1.3.
func (s *Session) hello(hello *tls.ClientHelloInfo) (*tls.Config, error) {
	s.old = !slices.Contains(hello.SupportedVersions, tls.VersionTLS13)
	return nil, nil
}

// memory is what crypto/tls reads and writes during a Handshake. Its methods are called on the goroutine.
type memory Handshake

// Read waits until the loop grants what has come.
func (m *memory) Read(b []byte) (int, error) {
	for {
		switch {
		case len(m.in) > 0:
			n := copy(b, m.in)
			m.in = m.in[n:]
			return n, nil
		case m.end != nil:
			return 0, m.end
		}
		h := (*Handshake)(m)
		if err := m.queue.post(func() { h.report(idle) }); err != nil {
			return 0, err
		}
		select {
		case <-m.granted:
		case <-m.quit:
			return 0, ErrAbandoned
		}
	}
}

// Write keeps b until the step is over.
func (m *memory) Write(b []byte) (int, error) {
	m.out = append(m.out, b...)
	return len(b), nil
}
