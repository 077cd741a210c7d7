package redis

import (
	"errors"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

var (
	// errUnasked is returned when a server answers what it was not asked: whose the answers after that are cannot be known.
	errUnasked = errors.New("the server answers what it was not asked")
	// errStale is returned by Write when the connection ended while nothing was under way: nothing has been sent.
	errStale = errors.New("the server has closed the connection")
)

// guard stands between rueidis and a connection. rueidis believes its server: an answer too many would become that to the
// next question, and a length is allocated as it comes. A guard counts commands and replies, and ends the connection of a
// server that sends what it was not asked for, or what is no reply. One goroutine may read while another one writes, as
// rueidis does when it closes a client.
type guard struct {
	net.Conn
	mu      sync.Mutex      // of what follows; it is not held while bytes travel
	raw     syscall.RawConn // of the socket
	owed    int             // replies
	replies scanner
	asked   scanner
	stale   bool
	look    func(fd uintptr) // sets stale
}

// newGuard makes the guard of a connection. stale tells, while no reply is due, that it is not to be used any more: spoken
// or, where it carries TLS, hungUp.
func newGuard(c net.Conn, raw syscall.RawConn, stale func(fd int) bool, most limits) *guard {
	g := &guard{Conn: c, raw: raw, replies: scanner{most: most}, asked: scanner{most: askLimits}}
	g.look = func(fd uintptr) { g.stale = stale(int(fd)) }
	return g
}

// spoken reports whether a socket has bytes to read, or has ended.
func spoken(fd int) bool {
	var peek [1]byte
	_, _, err := unix.Recvfrom(fd, peek[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	return err != unix.EAGAIN && err != unix.EINTR
}

// hungUp reports whether the other side of a socket has ended it. Bytes to read say nothing under TLS: session tickets come
// without having been asked for.
func hungUp(fd int) bool {
	set := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	n, err := unix.Poll(set[:], 0)
	return err == nil && n > 0
}

// Write sends commands. A connection that has ended while no reply was due, or has bytes to read, is not used any more.
func (g *guard) Write(b []byte) (int, error) {
	if err := g.writes(b); err != nil {
		return 0, err
	}
	return g.Conn.Write(b)
}

// writes notes commands that are about to be sent.
func (g *guard) writes(b []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.owed == 0 {
		if err := g.raw.Control(g.look); err != nil || g.stale {
			_ = g.Conn.Close() // the error is that of Write
			return errStale
		}
	}
	n, err := g.asked.scan(b)
	g.owed += n
	return err
}

// Read reads replies, and nothing else.
func (g *guard) Read(b []byte) (int, error) {
	n, err := g.Conn.Read(b)
	if bad := g.reads(b[:n]); bad != nil {
		clear(b[:n])
		_ = g.Conn.Close() // the error is bad
		return 0, bad
	}
	return n, err
}

// reads notes bytes that have come, and tells what is wrong with them.
func (g *guard) reads(b []byte) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	ended, bad := g.replies.scan(b)
	g.owed -= ended
	if bad == nil && (g.owed < 0 || g.owed == 0 && g.replies.begun()) {
		bad = errUnasked
	}
	return bad
}
