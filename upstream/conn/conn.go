package conn

import (
	"context"
	"fmt"
	"time"

	"distcache/codec/address"
	"distcache/engine/poll"
	"distcache/engine/secure"
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
	Now() time.Duration
}

// Conn is the upstream.Transport over a TCP or unix socket. All its methods belong to the
// loop goroutine.
type Conn struct {
	poller Poller
	target address.Address
	link   *upstream.Link

	lookup  *address.Lookup // of the last attempt; nil: none
	asked   time.Duration   // when that began
	route   route
	address string   // see Address
	attempt *attempt // the last one, until Close; nil: none
	fd      int      // -1: not connected
	writing bool     // waiting for room

	security *security       // of a TLS address; nil: plain
	session  *secure.Session // of the connection; nil: plain, or not connected

	refreshing bool            // Refresh looks the name up
	refresh    *address.Lookup // its look-up, the last one; nil: none
	refreshed  []endpoint      // what that found
	observe    func([]string)  // see OnAddresses; nil: nothing
	observed   []string        // what it was called with last
}

// New makes the Transport to target, which must be one to connect to.
func New(p Poller, target address.Address) *Conn {
	return &Conn{poller: p, target: target, fd: -1}
}

// Drive sets the link that c reports to.
func (c *Conn) Drive(l *upstream.Link) { c.link = l }

// Address is the address of the connection, or the one that the attempt tried last: host:port
// in digits, or UNIX:/path. It is there until the next attempt tries one, and "" before the first.
func (c *Conn) Address() string { return c.address }

// keepLookup is how long attempts use a look-up that was not done in time for the one before. The next attempt may be days
// later, as that of a server that stands by.
const keepLookup = time.Minute

// Dial begins an attempt, on a goroutine of its own.
func (c *Conn) Dial() {
	c.address = ""
	ctx, cancel := context.WithTimeoutCause(context.Background(), dialLimit, upstream.ErrAttemptTimeout)
	if now := c.poller.Now(); c.lookup == nil || c.lookup.Used() || now-c.asked > keepLookup {
		cancelLookup(c.lookup)
		c.lookup, c.asked = startLookup(c.target), now
	}
	a := &attempt{target: c.target, lookup: c.lookup, route: c.route, config: c.security.next(), cancel: cancel, made: made{fd: -1}}
	c.attempt = a
	go func() {
		defer cancel()
		made, err := a.dial(ctx)
		if !a.keep(made) {
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
		made, order, address := c.attempt.take()
		c.fd, c.session, c.address, c.writing = made.fd, made.session, address, false
		c.learn(order)
		if c.session != nil {
			c.session.Attach(c.fd, c.security.shared)
		}
		err = c.poller.Attach(c.fd, c)
	}
	if err != nil {
		c.link.Broken(err, c.poller.Now())
		return
	}
	c.link.Connected(c.poller.Now())
	if c.session != nil {
		_ = c.readSecure() // what came with the handshake
	}
}

// Close ends the connection or the attempt. The link is still in the state that it leaves.
func (c *Conn) Close() {
	if a := c.attempt; a != nil {
		c.attempt = nil
		order, tried := a.end()
		if tried > 0 {
			c.address = order[tried-1].name
			c.learn(order)
		}
		c.route = c.route.after(order, tried, c.link.State() == upstream.Up)
	}
	if c.link.Stopped() {
		cancelLookup(c.lookup)
		cancelLookup(c.refresh)
	}
	if c.session != nil {
		c.session.Close()
		c.session = nil
	}
	if c.fd >= 0 {
		c.poller.Close(c.fd)
		c.fd = -1
	}
}

// Write writes as much of b as the socket takes. When a write fails while the link is Up,
// Write takes nothing and reports the end soon after: answers that came before are read
// first.
func (c *Conn) Write(b []byte) (int, error) {
	if c.session != nil {
		return c.writeSecure(b)
	}
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
	if c.session != nil && !c.flushSecure() {
		return
	}
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
	if c.session != nil {
		return c.readSecure()
	}
	n, err := socket.Read(c.fd, c.link.Buffer())
	switch {
	case err == unix.EAGAIN:
		return err
	case err != nil:
		c.link.Broken(socket.Error("read", err), c.poller.Now())
	case n == 0 && c.link.State() == upstream.Probing && c.target.Kind == address.TCP:
		c.link.Broken(errClosedPlain, c.poller.Now())
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

// errClosedPlain has the hint for a connection without TLS.
var errClosedPlain = fmt.Errorf("%w; or does that port speak TLS?", upstream.ErrProbeClosed)

// endAfterReading ends the connection for why, soon. When the link is not Up there is
// nothing to read first, and it returns why; but a TLS server may have said what is wrong.
func (c *Conn) endAfterReading(why error) error {
	if c.link.State() != upstream.Up && c.session == nil {
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
