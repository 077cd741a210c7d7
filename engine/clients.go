package engine

import (
	"net/netip"
	"sync/atomic"
	"time"

	"distcache/engine/buffer"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// Handler decides what becomes of clients. All calls come on the loop goroutine; now
// is monotonic time since the loop was made. A client's life is Opened, then any of
// the others, until the Handler calls Clients.Close; nothing is reported after that.
type Handler interface {
	// Opened tells of a new client.
	Opened(c int, now time.Duration)
	// Buffer gives the memory into which c's next bytes are read; the read follows at once. When
	// it is empty, c is not read from until Clients.Resume.
	Buffer(c int) []byte
	// Received tells of bytes, at the start of what Buffer gave.
	Received(c int, b []byte, now time.Duration)
	// Ended tells that c will send no more. It may still be reading.
	Ended(c int, now time.Duration)
	// Failed tells of an error on c's socket.
	Failed(c int, err error, now time.Duration)
	// Drained tells that the socket has taken all that a Write had to hold.
	Drained(c int, now time.Duration)
}

// Clients is the table of local connections, by descriptor.
type Clients struct {
	loop     *Loop
	handlers []Handler
	pool     *buffer.Pool // for what sockets do not take at once
	table    []*client
	free     []*client
	open     int
	total    *atomic.Int64 // with those of other loops, and those that are being closed
	gone     func()        // subtracts from total; bound once

	// MakeRoom closes an idle client, so that another one can be accepted, and reports whether it
	// did; nil: none is closed. It is called when a client comes and the limit is reached.
	MakeRoom func(now time.Duration) bool

	security *security // nil: no client speaks TLS
	hungUp   bool      // HangUp was called
}

// NewClients makes an empty table. pool bounds what is held for clients that do not
// read. Serve must be called before the first client.
func NewClients(l *Loop, pool *buffer.Pool) *Clients {
	cs := &Clients{loop: l, pool: pool, total: new(atomic.Int64)}
	cs.gone = func() { cs.total.Add(-1) }
	return cs
}

// Serve makes these the handlers of the clients' events: of each client the one that
// Listener.Front of its listener tells, the first where nothing else is said.
func (cs *Clients) Serve(handlers ...Handler) { cs.handlers = handlers }

// CountIn makes total the number of open clients of all loops that share it, which
// Listener's bound is then held against. It is to be called before the first client.
func (cs *Clients) CountIn(total *atomic.Int64) { cs.total = total }

// Len is the number of open clients.
func (cs *Clients) Len() int { return cs.open }

// Peers counts TCP clients by address, of the first most clients in the table: each costs a system
// call. others is how many clients were not looked at, or are not of TCP.
func (cs *Clients) Peers(most int) (byAddress map[netip.Addr]int, others int) {
	byAddress = map[netip.Addr]int{}
	looked := 0
	for fd, c := range cs.table {
		if c == nil {
			continue
		}
		if looked++; looked > most {
			break
		}
		if at := socket.PeerAddrPort(fd); at.IsValid() {
			byAddress[at.Addr()]++
		}
	}
	counted := 0
	for _, n := range byAddress {
		counted += n
	}
	return byAddress, cs.open - counted
}

// HangUp shuts down reading from all clients. What they have sent so far still arrives, and then the end. Over a unix socket,
// later writes of a client fail with EPIPE.
func (cs *Clients) HangUp() {
	cs.hungUp = true
	for fd, c := range cs.table {
		if c != nil {
			_ = unix.Shutdown(fd, unix.SHUT_RD) // a socket that has ended needs none
		}
	}
}

// HangUpOn is HangUp for one client. It reports whether all that the client has sent was read. If so, a
// client over a unix socket that sends later learns that it sent nothing.
func (cs *Clients) HangUpOn(fd int) (silent bool) {
	_ = unix.Shutdown(fd, unix.SHUT_RD) // a socket that has ended needs none
	return socket.Arrived(fd) == 0
}

// makeRoom closes a client for another one, if one can go.
func (cs *Clients) makeRoom() bool { return cs.MakeRoom != nil && cs.MakeRoom(cs.loop.Now()) }

// Adopt takes the accepted, non-blocking socket fd as a client, to which no peer can pass
// descriptors. When the kernel's limit of watches is reached, it closes fd and returns the error.
func (cs *Clients) Adopt(fd int) error { return cs.adopt(fd, false, 0) }

// adopt is Adopt; wary tells that the peer may pass descriptors, front which handler hears of it.
func (cs *Clients) adopt(fd int, wary bool, front uint8) error {
	c, err := cs.enter(fd, wary, front)
	if err != nil {
		return err
	}
	c.reading = true
	c.handler.Opened(fd, cs.loop.Now())
	return nil
}

// enter gives fd a place in the table, and watches it for reading. The error is that of Adopt.
func (cs *Clients) enter(fd int, wary bool, front uint8) (*client, error) {
	var c *client
	if last := len(cs.free) - 1; last >= 0 {
		c, cs.free = cs.free[last], cs.free[:last]
	} else {
		c = &client{clients: cs}
	}
	c.fd, c.wary, c.handler = fd, wary, cs.handlers[front]
	for len(cs.table) <= fd {
		cs.table = append(cs.table, make([]*client, fd+1-len(cs.table))...)
	}
	cs.table[fd] = c
	cs.open++
	cs.total.Add(1)
	if err := cs.loop.poller.Attach(fd, c); err != nil {
		cs.Close(fd)
		return nil, err
	}
	return c, nil
}

// Write sends b to the client. What the socket does not take is copied and held;
// Handler.Drained follows once the client has read it. The error is buffer.ErrFull when the
// pool has no room for it, else that of the system. After an error the caller must Close.
func (cs *Clients) Write(fd int, b []byte) (held bool, err error) {
	c := cs.table[fd]
	if c.tls != nil {
		return c.tls.write(b)
	}
	if c.held != nil {
		return true, c.hold(b)
	}
	n, err := socket.Write(fd, b)
	if n == len(b) {
		return false, nil
	}
	if err != nil && err != unix.EAGAIN {
		return false, socket.Error("write", err)
	}
	return true, c.hold(b[n:])
}

// EndTurn asks for the calls at the end of this turn; see Loop.AtTurnEnd.
func (cs *Clients) EndTurn() { cs.loop.EndTurn() }

// Unread is how much of what was written to the client it has not read yet, in bytes, as far
// as can be known: it is of use to tell whether that becomes less.
func (cs *Clients) Unread(fd int) int {
	c := cs.table[fd]
	n := len(c.held) - c.sent + socket.Unread(fd)
	if c.tls != nil {
		n += c.tls.unread()
	}
	return n
}

// Resume reads from the client again, after Handler.Buffer gave nothing. It may call
// Handler.Failed.
func (cs *Clients) Resume(fd int) {
	c := cs.table[fd]
	if c.reading {
		return
	}
	c.reading = true
	if c.rewatch() && c.tls != nil {
		c.tls.resume()
	}
}

// Close ends the client at once; what was held for it is dropped.
func (cs *Clients) Close(fd int) {
	c := cs.table[fd]
	if c.tls != nil {
		c.tls.close()
	}
	cs.table[fd] = nil
	cs.open--
	if c.wary && !socket.ShutDown(fd) {
		cs.loop.poller.CloseAside(fd, cs.gone) // it counts until its descriptor is free
	} else {
		cs.total.Add(-1)
		cs.loop.poller.Close(fd)
	}
	if c.held != nil {
		cs.pool.Put(c.held)
	}
	*c = client{clients: cs}
	cs.free = append(cs.free, c)
}
