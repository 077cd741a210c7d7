package conn

import (
	"context"
	"slices"
	"time"

	"distcache/codec/address"
	"distcache/engine/deadline"
	"distcache/engine/poll"
	"distcache/engine/socket"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// Poller is what a Conn needs of the event loop; engine.Loop is one.
type Poller interface {
	Attach(fd int, h poll.Handler)
	Watch(fd int, want poll.Interest) error
	Close(fd int)
	Post(fn func()) error
	EndTurn()
	Now() time.Duration
}

// Conn is the Transport over a TCP or unix socket. All its methods belong to the loop
// goroutine; names are resolved on another, anew for each attempt.
type Conn struct {
	poller Poller
	target address.Address
	link   *upstream.Link

	attempt uint64 // the number of the attempt: what earlier ones still report is stale
	cancel  context.CancelFunc
	fd      int // -1: none
	state   connState
	writing bool // waiting for room

	known    []endpoint // what the name resolved to last
	route    route
	giveUpAt time.Duration // when the next address gets its turn
}

type connState uint8

const (
	closed connState = iota
	connecting
	connected
)

// New makes the Transport to target, which must be one to connect to. Drive must
// be called before the link starts.
func New(p Poller, target address.Address) *Conn {
	return &Conn{poller: p, target: target, fd: -1, giveUpAt: deadline.Never}
}

// Drive sets the link whose transport this is.
func (c *Conn) Drive(l *upstream.Link) { c.link = l }

const (
	// resolveLimit is less than a whole attempt: a name server that is silent is then told
	// as the reason, by the name that it was asked for.
	resolveLimit = upstream.AttemptTimeout * 9 / 10
	// resolveShare is how much of an attempt resolving the name may take when addresses are
	// known from before.
	resolveShare = upstream.AttemptTimeout / 4
)

// Dial begins an attempt. Where the name does not resolve, or not soon, the addresses that
// it had before are tried: name servers fail together with what they name.
func (c *Conn) Dial() {
	c.attempt++
	attempt := c.attempt
	limit := resolveLimit
	if len(c.known) > 0 {
		limit = resolveShare
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	c.cancel = cancel
	go func() {
		found, err := resolve(ctx, c.target)
		// Post fails when the loop has ended: nobody is left to be told.
		_ = c.poller.Post(func() {
			if attempt == c.attempt {
				c.resolved(found, err)
			}
		})
	}()
}

// Close ends the connection or the attempt. The link is still in the state that it leaves.
func (c *Conn) Close() {
	c.attempt++
	c.route.ended(c.link.State() == upstream.Up)
	if c.cancel != nil {
		c.cancel()
		c.cancel = nil
	}
	c.closeSocket()
	c.state = closed
}

func (c *Conn) closeSocket() {
	if c.fd >= 0 {
		c.poller.Close(c.fd)
		c.fd = -1
	}
	c.giveUpAt = deadline.Never
}

// EndTurn asks for Link.Flush before the loop sleeps.
func (c *Conn) EndTurn() { c.poller.EndTurn() }

// Write writes as much of b as the socket takes. Where writing fails on a link that is
// Up, nothing is taken and the end follows: answers that came before it are read first.
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

// Ready goes on with whatever the socket was waited for.
func (c *Conn) Ready(ev poll.Events) {
	if c.state == connecting {
		c.finishConnect()
		return
	}
	if c.writing && ev.Writable() {
		c.resumeWriting()
	}
	if c.fd >= 0 && ev.Readable() {
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

// read reads once; what is left makes the set report again. It returns unix.EAGAIN when
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

// lastReads bounds how much is read of a connection that can no longer be written to:
// more than the kernel holds for one, at upstream.ReadBuffer bytes each.
const lastReads = 64

// endAfterReading ends the connection for why, soon. A link that is not Up has nothing to
// read first, and gets why back.
func (c *Conn) endAfterReading(why error) error {
	if c.link.State() != upstream.Up {
		return why
	}
	attempt := c.attempt
	err := c.poller.Post(func() {
		for n := 0; n < lastReads && attempt == c.attempt; n++ {
			if c.read() == unix.EAGAIN {
				break
			}
		}
		if attempt == c.attempt {
			c.link.Broken(why, c.poller.Now())
		}
	})
	if err != nil {
		return why
	}
	return nil
}

// resolved begins to connect to what was found, one address after the other.
func (c *Conn) resolved(found []endpoint, err error) {
	switch {
	case err == nil:
		c.known = found
	case len(c.known) == 0:
		c.link.Broken(err, c.poller.Now())
		return
	}
	c.route.begin(slices.Clone(c.known)) // begin puts them in order
	c.connectNext(nil)
}

// connectNext tries the next address; with none left, the attempt failed for why.
func (c *Conn) connectNext(why error) {
	for {
		c.closeSocket()
		next, share, ok := c.route.next()
		if !ok {
			c.link.Broken(why, c.poller.Now())
			return
		}
		if why = c.connect(next); why == nil {
			if share < upstream.AttemptTimeout {
				c.giveUpAt = c.poller.Now() + share
			}
			return
		}
	}
}

// connect begins to connect to e.
func (c *Conn) connect(e endpoint) error {
	fd, err := e.socket()
	if err != nil {
		return err
	}
	err = unix.Connect(fd, e.sockaddr)
	if err != nil && err != unix.EINPROGRESS && err != unix.EINTR {
		_ = unix.Close(fd)
		return e.explain(socket.Error("connect", err))
	}
	c.fd, c.state = fd, connecting
	c.poller.Attach(fd, c)
	return c.poller.Watch(fd, poll.Write) // a socket that is connected already is writable
}

func (c *Conn) finishConnect() {
	code, err := unix.GetsockoptInt(c.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err != nil {
		c.connectNext(c.route.current.explain(socket.Error("connect", err)))
		return
	}
	if err := c.poller.Watch(c.fd, poll.Read); err != nil {
		c.connectNext(err)
		return
	}
	c.state, c.writing, c.giveUpAt = connected, false, deadline.Never
	c.link.Connected(c.poller.Now())
}

// Deadline is when the address that is being tried has had its share of the attempt.
func (c *Conn) Deadline() time.Duration { return c.giveUpAt }

// Expire goes on to the next address.
func (c *Conn) Expire(time.Duration) {
	c.connectNext(c.route.current.explain(socket.Error("connect", unix.ETIMEDOUT)))
}
