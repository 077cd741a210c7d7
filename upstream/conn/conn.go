package conn

import (
	"context"
	"time"

	"distcache/codec/address"
	"distcache/engine/poll"
	"distcache/engine/socket"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// Poller is what a Conn needs of the event loop; engine.Loop is one.
type Poller interface {
	Attach(fd int, h poll.Handler) error
	Watch(fd int, want poll.Interest) error
	Close(fd int)
	Post(fn func()) error
	EndTurn()
	Now() time.Duration
}

// Conn is the upstream.Transport over a TCP or unix socket. All its methods belong to the
// loop goroutine.
type Conn struct {
	poller Poller
	target address.Address
	link   *upstream.Link

	lookup  *lookup // of the last attempt; nil: none
	route   route
	attempt *attempt // the last one, until Close; nil: none
	fd      int      // -1: not connected
	writing bool     // waiting for room
}

// New makes the Transport to target, which must be one to connect to.
func New(p Poller, target address.Address) *Conn {
	return &Conn{poller: p, target: target, fd: -1}
}

// Drive sets the link that c reports to.
func (c *Conn) Drive(l *upstream.Link) { c.link = l }

// Dial begins an attempt, on a goroutine of its own.
func (c *Conn) Dial() {
	ctx, cancel := context.WithTimeoutCause(context.Background(), upstream.AttemptTimeout, upstream.ErrAttemptTimeout)
	if c.lookup == nil || c.lookup.used.Load() {
		c.lookup = startLookup(c.target)
	}
	a := &attempt{lookup: c.lookup, route: c.route, cancel: cancel, fd: -1}
	c.attempt = a
	go func() {
		defer cancel()
		fd, err := a.dial(ctx)
		if !a.keep(fd) {
			return
		}
		posted := c.poller.Post(func() {
			if c.attempt == a { // and not a later one, or none
				c.dialed(err)
			}
		})
		if posted != nil {
			a.end() // the loop has ended
		}
	}()
}

// dialed reports the end of an attempt, which failed for err or connected.
func (c *Conn) dialed(err error) {
	if err == nil {
		c.fd, c.writing = c.attempt.take(), false
		err = c.poller.Attach(c.fd, c)
	}
	if err != nil {
		c.link.Broken(err, c.poller.Now())
		return
	}
	c.link.Connected(c.poller.Now())
}

// Close ends the connection or the attempt. The link is still in the state that it leaves.
func (c *Conn) Close() {
	if a := c.attempt; a != nil {
		c.attempt = nil
		order, tried := a.end()
		c.route = c.route.after(order, tried, c.link.State() == upstream.Up)
	}
	if c.link.Stopped() && c.lookup != nil {
		c.lookup.cancel()
	}
	if c.fd >= 0 {
		c.poller.Close(c.fd)
		c.fd = -1
	}
}

// EndTurn asks for Server.Flush before the loop sleeps.
func (c *Conn) EndTurn() { c.poller.EndTurn() }

// Write writes as much of b as the socket takes. When a write fails while the link is Up,
// Write takes nothing and reports the end soon after: answers that came before are read
// first.
func (c *Conn) Write(b []byte) (int, error) {
	n, err := socket.Write(c.fd, b)
	if err != nil && err != unix.EAGAIN {
		return 0, c.endAfterReading(socket.Error("write", err))
	}
	if n < len(b) {
		c.writing = true
		return n, c.poller.Watch(c.fd, poll.ReadWrite)
	}
	return n, nil
}

// Ready writes and reads what the socket is ready for.
func (c *Conn) Ready(ev poll.Events) {
	if c.writing && ev&poll.Writable != 0 {
		c.resumeWriting()
	}
	if c.fd >= 0 && ev&poll.Readable != 0 {
		_ = c.read() // EAGAIN: it was a false alarm
	}
}

func (c *Conn) resumeWriting() {
	c.writing = false
	if err := c.poller.Watch(c.fd, poll.Read); err != nil {
		c.link.Broken(err, c.poller.Now())
		return
	}
	c.link.Writable(c.poller.Now())
}

// read reads once; the set reports again when more is there. It returns unix.EAGAIN when
// nothing was there.
func (c *Conn) read() error {
	n, err := socket.Read(c.fd, c.link.Buffer())
	switch {
	case err == unix.EAGAIN:
		return err
	case err != nil:
		c.link.Broken(socket.Error("read", err), c.poller.Now())
	case n == 0:
		c.link.Broken(upstream.ErrClosed, c.poller.Now())
	default:
		c.link.Received(n, c.poller.Now())
	}
	return nil
}

// lastReads bounds the reads from a connection that takes no more writes: at
// upstream.ReadBuffer bytes each, that is more than the kernel holds for one.
const lastReads = 64

// endAfterReading ends the connection for why, soon. When the link is not Up there is
// nothing to read first, and it returns why.
func (c *Conn) endAfterReading(why error) error {
	if c.link.State() != upstream.Up {
		return why
	}
	a := c.attempt
	err := c.poller.Post(func() {
		for n := 0; n < lastReads && c.attempt == a; n++ {
			if c.read() == unix.EAGAIN {
				break
			}
		}
		if c.attempt == a {
			c.link.Broken(why, c.poller.Now())
		}
	})
	if err != nil {
		return why
	}
	return nil
}
