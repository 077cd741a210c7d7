package redis

import (
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync"
	"syscall"

	"distcache/codec"
	"distcache/internal/store/seal"
	"golang.org/x/sys/unix"
)

var (
	// errUnasked is returned when a server answers what it was not asked: whose the answers after that are cannot be known.
	errUnasked = errors.New("the server sent a reply to no request")
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

// limits are what a server may send. A connection on which it sends more is closed.
type limits struct {
	bulk     int // bytes of one value
	elements int // in all arrays of one reply
}

var (
	// dataLimits are those of connections for sessions: only the greeting of a connection has an array, of its modules too.
	dataLimits = limits{bulk: codec.MaxDataLen + seal.Overhead, elements: 1024}
	// askLimits are those of connections that ask for the servers: CLUSTER SLOTS of a large cluster has 50,000 elements.
	askLimits = limits{bulk: 1 << 16, elements: 1 << 18}
)

const (
	// maxDepth is how many arrays may be in each other.
	maxDepth = 8
	// maxLine is the longest line of a reply without a length, in bytes.
	maxLine = 64 << 10
)

// errGarbage is returned for bytes that are no RESP2, or more than any server sends.
var errGarbage = errors.New("the server sent something that is not a Redis reply")

// scanner finds where values of RESP2 end, in bytes that come in pieces. It keeps none of them.
type scanner struct {
	most  limits
	skip  int           // bytes of a value, and its line end, that are to come
	line  int           // bytes of a line that came already
	head  [24]byte      // the first of them
	depth int           // of the arrays that have begun
	left  [maxDepth]int // elements that each of them still lacks
	many  int           // elements of this reply
}

// begun reports whether a value has come in part.
func (s *scanner) begun() bool { return s.skip > 0 || s.line > 0 || s.depth > 0 }

// scan takes the next bytes, and gives how many values end in them.
func (s *scanner) scan(b []byte) (ended int, err error) {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			s.skip, b = s.skip-n, b[n:]
			if s.skip == 0 {
				ended += s.ends()
			}
			continue
		}
		i := bytes.IndexByte(b, '\n')
		part := b[:i+1]
		if i < 0 {
			part = b
		}
		if s.line < len(s.head) {
			copy(s.head[s.line:], part)
		}
		if s.line += len(part); s.line > maxLine {
			return ended, errGarbage
		}
		b = b[len(part):]
		if i < 0 {
			continue
		}
		n, err := s.takeLine()
		if ended += n; err != nil {
			return ended, err
		}
	}
	return ended, nil
}

// takeLine takes a whole line. head has its first bytes.
func (s *scanner) takeLine() (ended int, err error) {
	line := s.head[:min(s.line, len(s.head))]
	whole := s.line <= len(s.head)
	s.line = 0
	switch line[0] {
	case '+', '-', ':':
		return s.ends(), nil
	case '$', '*':
	default:
		return 0, errGarbage
	}
	if !whole || len(line) < 4 || line[len(line)-2] != '\r' {
		return 0, errGarbage
	}
	n, err := strconv.Atoi(string(line[1 : len(line)-2])) // the conversion does not allocate
	switch {
	case err != nil || n < -1:
		return 0, errGarbage
	case n == -1:
		return s.ends(), nil
	case line[0] == '$' && n <= s.most.bulk:
		s.skip = n + 2
		return 0, nil
	case line[0] == '*' && n == 0:
		return s.ends(), nil
	case line[0] == '*' && n <= s.most.elements-s.many && s.depth < maxDepth:
		s.many += n
		s.left[s.depth] = n
		s.depth++
		return 0, nil
	}
	return 0, errGarbage
}

// ends notes that a value has ended, and with it the arrays of which it is the last element. It gives how many values are
// whole now that are in no other.
func (s *scanner) ends() int {
	for s.depth > 0 {
		if s.left[s.depth-1]--; s.left[s.depth-1] > 0 {
			return 0
		}
		s.depth--
	}
	s.many = 0
	return 1
}
