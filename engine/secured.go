package engine

import (
	"distcache/engine/poll"
	"distcache/engine/secure"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// secured is what a client over TLS has beside. The Handler hears of it once its handshake is done.
type secured struct {
	client    *client
	security  *security
	from      string            // its address
	handshake *secure.Handshake // nil: it is done
	session   *secure.Session   // nil: it is not
	owed      bool              // Handler.Drained is to follow
}

// alive reports whether the client is still there after a call of the Handler.
func (t *secured) alive() bool { return t.client.tls == t }

// ready is client.Ready.
func (t *secured) ready(ev poll.Events) {
	if t.handshake != nil {
		if ev&poll.Writable != 0 {
			_ = t.handshake.Session().Flush() // the read that follows meets the error
		}
		if ev&poll.Readable != 0 {
			t.handshake.Readable()
		}
		t.rewatchHandshake()
		return
	}
	if ev&poll.Writable != 0 && t.waits() {
		t.flush()
	}
	if t.alive() && ev&poll.Readable != 0 && t.client.reading {
		t.read()
	}
}

// waits reports whether the socket has not taken all that was written.
func (t *secured) waits() bool { return t.client.held != nil || t.session.Pending() > 0 }

// watch tells the poller what the client waits for.
func (t *secured) watch() error {
	want := poll.None
	if t.handshake != nil {
		if t.handshake.Wants() {
			want |= poll.Read
		}
		if t.handshake.Session().Pending() > 0 {
			want |= poll.Write
		}
	} else {
		if t.client.reading {
			want |= poll.Read
		}
		if t.waits() {
			want |= poll.Write
		}
	}
	return t.client.clients.loop.poller.Watch(t.client.fd, want)
}

func (t *secured) rewatchHandshake() {
	if err := t.watch(); err != nil {
		t.security.refuse(t, err)
	}
}

// changed is called by the handshake.
func (t *secured) changed() {
	session, err := t.handshake.Result()
	switch {
	case err != nil:
		t.security.refuse(t, err)
	case session != nil:
		t.open(session)
	default:
		t.rewatchHandshake()
	}
}

// open tells the Handler of the client, and reads what came with the last message of the handshake: no event tells of
// that.
func (t *secured) open(session *secure.Session) {
	c, cs := t.client, t.client.clients
	t.session, t.handshake, c.reading = session, nil, true
	t.security.handshakes.Clear(c.fd)
	if err := session.Check(t.security.config()); err != nil { // it may have changed since the handshake began
		t.security.refuse(t, err)
		return
	}
	if err := t.watch(); err != nil {
		t.security.refuse(t, err)
		return
	}
	c.handler.Opened(c.fd, cs.loop.Now())
	if t.alive() {
		t.read()
	}
}

// read reads from the socket once, and decrypts all of that.
func (t *secured) read() {
	c, cs := t.client, t.client.clients
	for t.alive() {
		b := c.handler.Buffer(c.fd)
		if len(b) == 0 {
			c.reading = false
			break
		}
		n, err := t.session.Read(b)
		if err == unix.EAGAIN {
			break
		}
		switch now := cs.loop.Now(); {
		case n > 0:
			c.handler.Received(c.fd, b[:n], now)
		case err == nil, err == secure.ErrTruncated && cs.hungUp:
			c.reading = false
			if c.rewatch() {
				c.handler.Ended(c.fd, now)
			}
			return
		default:
			c.handler.Failed(c.fd, socket.Error("read", err), now)
			return
		}
	}
	if t.alive() {
		c.rewatch() // reading can make the session write
	}
}

// resume reads what the session holds, which no event tells of, in a turn of its own: Clients.Resume is called in the
// midst of the Handler's work.
func (t *secured) resume() {
	if !t.session.Buffered() {
		return
	}
	_ = t.client.clients.loop.Post(func() { // an error means that the loop has ended
		if t.alive() && t.client.reading {
			t.read()
		}
	})
}

// write is Clients.Write.
func (t *secured) write(b []byte) (held bool, err error) {
	c := t.client
	if c.held == nil {
		n, err := t.session.Write(b)
		if err != nil && err != unix.EAGAIN {
			return false, socket.Error("write", err)
		}
		b = b[n:]
	}
	if len(b) == 0 && !t.waits() {
		return false, nil
	}
	t.owed = true
	if len(b) == 0 {
		return true, t.watch()
	}
	return true, c.hold(b)
}

// flush writes the ciphertext that waits, and then what is held.
func (t *secured) flush() {
	c, cs := t.client, t.client.clients
	err := t.session.Flush()
	if err == nil && c.held != nil {
		var n int
		n, err = t.session.Write(c.held[c.sent:])
		if c.sent += n; c.sent == len(c.held) {
			cs.pool.Put(c.held)
			c.held, c.sent = nil, 0
		}
	}
	switch {
	case err != nil && err != unix.EAGAIN:
		c.handler.Failed(c.fd, socket.Error("write", err), cs.loop.Now())
	case !t.waits() && c.rewatch() && t.owed:
		t.owed = false
		c.handler.Drained(c.fd, cs.loop.Now())
	}
}

// close ends TLS, before the descriptor is closed.
func (t *secured) close() {
	t.security.open--
	if t.handshake != nil {
		t.security.handshakes.Clear(t.client.fd)
		t.handshake.Abandon()
		return
	}
	t.session.Close()
}

// unread is how much ciphertext the socket has not taken.
func (t *secured) unread() int { return t.session.Pending() }
