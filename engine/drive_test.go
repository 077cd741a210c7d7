package engine

import (
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// drive is the clients' side of a benchmark: system calls alone, no allocation. It keeps
// a number of them under way, and goes on with the one that asked first.
type drive struct {
	at      unix.Sockaddr
	fds     []int // -1: none
	next    int
	request []byte
	answer  []byte
}

// newDrive makes one that keeps clients under way: each has asked, and is to be answered.
func newDrive(t testing.TB, at unix.Sockaddr, clients int) *drive {
	t.Helper()
	d := &drive{at: at, request: []byte(pattern(60)), answer: make([]byte, 256)}
	for range clients {
		d.fds = append(d.fds, -1)
	}
	for i := range d.fds {
		d.fds[i] = d.connect(t)
		d.ask(t, d.fds[i])
	}
	return d
}

// shortLived takes the answer of the client that asked first, which leaves; another comes
// and asks.
func (d *drive) shortLived(t testing.TB) {
	fd := &d.fds[d.next]
	d.next = (d.next + 1) % len(d.fds)
	d.take(t, *fd)
	_ = unix.Close(*fd)
	*fd = d.connect(t)
	d.ask(t, *fd)
}

// keepAlive takes the answer of the client that asked first, which asks again.
func (d *drive) keepAlive(t testing.TB) {
	fd := d.fds[d.next]
	d.next = (d.next + 1) % len(d.fds)
	d.take(t, fd)
	d.ask(t, fd)
}

func (d *drive) close() {
	for _, fd := range d.fds {
		_ = unix.Close(fd)
	}
}

func (d *drive) connect(t testing.TB) int {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for {
		switch err := unix.Connect(fd, d.at); err {
		case nil:
			return fd
		case unix.EINTR:
		default:
			t.Fatal(err)
		}
	}
}

func (d *drive) ask(t testing.TB, fd int) {
	if n, err := unix.Write(fd, d.request); n != len(d.request) {
		t.Fatalf("ask: got %d, %v, want %d, nil", n, err, len(d.request))
	}
}

func (d *drive) take(t testing.TB, fd int) {
	for {
		n, err := unix.Read(fd, d.answer)
		if n == len(d.request) {
			return
		}
		if err != unix.EINTR {
			t.Fatalf("answer: got %d, %v, want %d, nil", n, err, len(d.request))
		}
	}
}

// echo is a Handler that does the least there is to do, so that only the engine is measured.
type echo struct {
	clients *Clients
	memory  []byte
	turns   uint64
	endTurn bool // ask for the end of each turn with a request, as the agent does
}

func (e *echo) Opened(int, time.Duration) {}

func (e *echo) Buffer(int) []byte { return e.memory }

func (e *echo) Received(c int, b []byte, _ time.Duration) {
	if _, err := e.clients.Write(c, b); err != nil {
		e.clients.Close(c)
	}
	if e.endTurn {
		e.clients.loop.EndTurn()
	}
}

func (e *echo) Ended(c int, _ time.Duration) { e.clients.Close(c) }

func (e *echo) Failed(c int, _ error, _ time.Duration) { e.clients.Close(c) }

func (e *echo) Drained(int, time.Duration) {}

func (e *echo) TurnEnded(time.Duration) { e.turns++ }

// serveEcho runs a server with an echo until the test ends.
func serveEcho(t testing.TB, endTurn bool) (*server, *echo) {
	t.Helper()
	e := &echo{memory: make([]byte, 4<<10), endTurn: endTurn}
	before := kit.OwnDescriptors(t)
	srv, err := newServer(limits{max: 100_000, pool: 1 << 20}, func(cs *Clients) Handler {
		e.clients = cs
		return e
	})
	if err != nil {
		t.Fatal(err)
	}
	srv.t = t
	go func() { srv.ended <- srv.Run() }()
	t.Cleanup(func() { srv.close(before) })
	return srv, e
}
