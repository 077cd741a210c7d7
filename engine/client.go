package engine

import (
	"errors"

	"distcache/engine/buffer"
	"distcache/engine/poll"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// errRights is the reason why a client is closed that passed descriptors.
var errRights = errors.New("the client passed descriptors")

// client is one local connection. An idle one owns no buffer.
type client struct {
	clients *Clients
	handler Handler // hears of the client
	fd      int
	reading bool     // the handler takes bytes
	wary    bool     // the peer may pass descriptors: see socket.Peek
	held    []byte   // from the pool: what the socket has not taken yet, or nil
	sent    int      // bytes of held that are gone
	tls     *secured // nil: plain
}

// Ready takes writing before reading: a client that has read its answers makes room
// for the ones that its next requests bring.
func (c *client) Ready(ev poll.Events) {
	if c.tls != nil {
		c.tls.ready(ev)
		return
	}
	cs, fd := c.clients, c.fd
	if ev&poll.Writable != 0 && c.held != nil {
		c.flush()
	}
	if cs.table[fd] != c || ev&poll.Readable == 0 || !c.reading {
		return
	}
	// One read: the set is level-triggered, and others wait for their turn.
	h := c.handler
	b := h.Buffer(fd)
	if len(b) == 0 {
		c.reading = false
		c.rewatch()
		return
	}
	var n int
	var err error
	if c.wary {
		n, err = c.readWary(b)
	} else {
		n, err = socket.Read(fd, b)
	}
	switch {
	case err == unix.EAGAIN:
	case err != nil:
		h.Failed(fd, socket.Error("read", err), cs.loop.Now())
	case n == 0:
		h.Ended(fd, cs.loop.Now())
	default:
		h.Received(fd, b[:n], cs.loop.Now())
	}
}

// readWary reads only bytes that came without descriptors: the kernel would close these here,
// and that may block.
func (c *client) readWary(b []byte) (int, error) {
	n, rights, err := socket.Peek(c.fd, b)
	switch {
	case err != nil:
		return 0, err
	case n == 0:
		c.wary = false // after the end nothing can come
		return 0, nil
	case rights:
		clear(b[:n]) // it may be a session, and nothing else will overwrite it
		return 0, errRights
	}
	return socket.Read(c.fd, b[:n])
}

// hold keeps b until the socket is writable.
func (c *client) hold(b []byte) error {
	if !c.makeRoom(len(b)) {
		return buffer.ErrFull
	}
	c.held = append(c.held, b...)
	return c.watch()
}

// makeRoom lets held take n bytes more. It reports false, and leaves what is held as it
// is, when that would pass the bound.
func (c *client) makeRoom(n int) bool {
	pool := c.clients.pool
	if c.held == nil {
		c.held = pool.Get(n)
		return c.held != nil
	}
	if len(c.held)+n > cap(c.held) {
		c.held, c.sent = buffer.Cut(c.held, c.sent), 0
	}
	if len(c.held)+n > cap(c.held) {
		bigger := pool.Grow(c.held, len(c.held)+n)
		if bigger == nil {
			return false
		}
		c.held = bigger
	}
	return true
}

// flush writes what is held.
func (c *client) flush() {
	h, now := c.handler, c.clients.loop.Now
	n, err := socket.Write(c.fd, c.held[c.sent:])
	c.sent += n
	switch {
	case err == unix.EAGAIN:
	case err != nil:
		h.Failed(c.fd, socket.Error("write", err), now())
	case c.sent == len(c.held):
		c.clients.pool.Put(c.held)
		c.held, c.sent = nil, 0
		if c.rewatch() {
			h.Drained(c.fd, now())
		}
	}
}

// rewatch tells the poller what c waits for, or the handler that this failed; it
// reports whether all is well.
func (c *client) rewatch() bool {
	if err := c.watch(); err != nil {
		c.handler.Failed(c.fd, err, c.clients.loop.Now())
		return false
	}
	return true
}

func (c *client) watch() error {
	if c.tls != nil {
		return c.tls.watch()
	}
	want := poll.None
	if c.reading {
		want |= poll.Read
	}
	if c.held != nil {
		want |= poll.Write
	}
	return c.clients.loop.poller.Watch(c.fd, want)
}

// barred is how much of the first part of a WriteParted goes behind the barrier: so much
// that a client which reads all before it knows that there is more, and so little that one
// read takes it whole.
const barred = 8

// WriteParted sends b as Write does, but no read over a unix socket takes bytes of before
// and of after its first at bytes, if the socket has room for those. It is Write over TCP,
// where there is no such thing, and to a client that has not read all it was sent: so a
// client can keep one descriptor in the kernel at most. b must be longer than at.
func (cs *Clients) WriteParted(fd int, b []byte, at int) (held bool, err error) {
	c, gone := cs.table[fd], 0
	if c.held == nil && socket.IsUnix(fd) && socket.Unread(fd) == 0 {
		gone = cs.writeBarred(fd, b[:at])
	}
	return cs.Write(fd, b[gone:]) // which meets the error again, if there was one
}

// writeBarred writes b so that a read ends with it. It returns how much the socket took.
func (cs *Clients) writeBarred(fd int, b []byte) int {
	n := 0
	if open := len(b) - barred; open > 0 {
		n, _ = socket.Write(fd, b[:open])
		if n < open {
			return n
		}
	}
	if cs.loop.barrier == nil {
		return n
	}
	end, _ := cs.loop.barrier.Write(fd, b[n:])
	return n + end
}
