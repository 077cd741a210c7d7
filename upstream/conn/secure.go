package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"syscall"

	"distcache/engine/buffer"
	"distcache/engine/poll"
	"distcache/engine/secure"
	"distcache/engine/socket"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// heldCiphertext bounds the ciphertext that is held because dc_server does not take it, and the rest
// of a read: for two connections, since there are two during a move. A session that needs more ends.
const heldCiphertext = 512 << 10

// SecureMemory is the heap that a Conn needs for TLS, in bytes, at most.
const SecureMemory = heldCiphertext + 256<<10

// security is what a Conn to a TLS address needs.
type security struct {
	config func() *tls.Config // for the next handshake
	shared *secure.Shared
}

// Secure makes c speak TLS. config is called on the loop for each attempt, and gives what its
// handshakes use.
func (c *Conn) Secure(config func() *tls.Config) {
	c.security = &security{config, secure.NewShared(buffer.NewPool(heldCiphertext))}
}

// Peer is the name in the certificate of the connected dc_server; "" without TLS.
func (c *Conn) Peer() string {
	if c.session == nil {
		return ""
	}
	return c.session.Peer()
}

// Review ends the connection to a dc_server whose certificate has been revoked since.
func (c *Conn) Review() {
	if c.session == nil {
		return
	}
	if err := c.session.Check(c.security.next()); err != nil {
		c.link.Broken(err, c.poller.Now())
	}
}

// next is for the next handshake; nil: there is none.
func (s *security) next() *tls.Config {
	if s == nil {
		return nil
	}
	return s.config()
}

// errHandshakeTimeout is why an address is given up that connects, and does not finish the handshake.
var errHandshakeTimeout = errors.New("connected, but the TLS handshake did not end in time: dc_server hangs or accepts no connections, or does not speak TLS there")

// handshakeError is the reason of a failed handshake whose context is ctx.
func handshakeError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errHandshakeTimeout
	}
	return err
}

// writeSecure is Write over TLS. Ciphertext that the socket does not take is written once it does;
// until then no more is taken.
func (c *Conn) writeSecure(b []byte) (int, error) {
	n, err := c.session.Write(b)
	switch {
	case err == unix.EAGAIN || err == nil:
		return n, c.watchPending()
	case c.link.State() == upstream.Probing:
		return len(b), c.endAfterReading(call("write", err)) // the probe must be taken; its end comes soon
	}
	return 0, c.endAfterReading(call("write", err))
}

// flushSecure writes ciphertext that waits for room. It reports whether all of it is gone.
func (c *Conn) flushSecure() bool {
	err := c.session.Flush()
	if err != nil && err != unix.EAGAIN {
		c.writing = false // nothing can be written any more
		if err = c.endAfterReading(call("write", err)); err != nil {
			c.link.Broken(err, c.poller.Now())
		}
	}
	return err == nil && c.writing
}

// watchPending waits for room when there is ciphertext to write.
func (c *Conn) watchPending() error {
	if c.session.Pending() == 0 || c.writing {
		return nil
	}
	c.writing = true
	return c.poller.Watch(c.fd, poll.ReadWrite)
}

// readSecure reads what the socket and crypto/tls have, as much as the link has room for. It returns
// unix.EAGAIN when nothing was there. Should more be left, no event may tell of it: then it goes on
// in a later turn.
func (c *Conn) readSecure() error {
	session, b := c.session, c.link.Buffer()
	n, end := decrypt(session, b)
	if n > 0 {
		c.link.Received(n, c.poller.Now())
	}
	if c.session != session { // Received has ended it
		return nil
	}
	pending := c.watchPending() // reading can make the session write
	switch {
	case end != nil && end != unix.EAGAIN:
		c.link.Broken(call("read", end), c.poller.Now())
	case pending != nil:
		c.link.Broken(pending, c.poller.Now())
	case n == len(b):
		if err := c.poller.Post(func() {
			if c.session == session {
				_ = c.readSecure()
			}
		}); err != nil {
			return err // the loop has ended
		}
	case n == 0:
		return unix.EAGAIN
	}
	return nil
}

// muchRead is so much of one read of the socket that more may be there.
const muchRead = 16 << 10

// decrypt reads into b until it is full or nothing more is there. end says why there is no more:
// unix.EAGAIN, or the reason why the connection has ended.
func decrypt(session *secure.Session, b []byte) (n int, end error) {
	for since := 0; n < len(b); {
		got, err := session.Read(b[n:])
		n += got
		since += got
		switch {
		case err == unix.EAGAIN && since >= muchRead:
			since = 0
		case err != nil:
			return n, err
		case got == 0:
			return n, upstream.ErrClosed
		}
	}
	return n, nil
}

// call adds the name of the system call to an error of the system. Those of package secure are whole
// sentences.
func call(name string, err error) error {
	if errno, ok := err.(syscall.Errno); ok {
		return socket.Error(name, errno)
	}
	return err
}
