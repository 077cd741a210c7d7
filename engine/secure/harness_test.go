package secure

import (
	"bytes"
	"context"
	"crypto/tls"
	"net"
	"os"
	"testing"
	"time"

	"distcache/engine/buffer"
	"distcache/internal/test/kit"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

// site is a CA with the certificates of a server and a client, and a loop that a test turns.
type site struct {
	t      testing.TB
	ca     *kit.CA
	server *tls.Config
	client *tls.Config
	posted chan func()
	pool   *buffer.Pool
	shared *Shared
}

func newSite(t testing.TB) *site {
	ca := kit.NewCA(t, "test CA")
	pool := buffer.NewPool(1 << 20)
	return &site{t: t, ca: ca, pool: pool, shared: NewShared(pool), posted: make(chan func(), 1<<16),
		server: &tls.Config{Certificates: []tls.Certificate{ca.Issue("cache").TLS}, ClientCAs: ca.Pool(),
			ClientAuth: tls.RequireAndVerifyClientCert},
		client: &tls.Config{Certificates: []tls.Certificate{ca.Issue("host1").TLS}, RootCAs: ca.Pool(), ServerName: "cache"},
	}
}

func (s *site) queue() *Queue {
	return NewQueue(s.post, func() *tls.Config { return s.server }, s.shared)
}

func (s *site) post(fn func()) error { s.posted <- fn; return nil }

// turn is a turn of the loop: what was posted before, and bytes for the handshakes that wait for some.
func (s *site) turn(all ...*Handshake) {
	for n := len(s.posted); n > 0; n-- {
		(<-s.posted)()
	}
	for _, h := range all {
		if h.Wants() && readable(h.session.fd) {
			h.Readable()
		}
	}
}

// turnUntil turns the loop until all handshakes are done.
func (s *site) turnUntil(all ...*Handshake) {
	s.t.Helper()
	kit.Wait(s.t, patience, "end of the handshakes", func() bool {
		s.turn(all...)
		for _, h := range all {
			if session, err := h.Result(); session == nil && err == nil {
				return false
			}
		}
		return true
	})
}

func readable(fd int) bool {
	n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0
}

// sockets gives the server's end of a connection, non-blocking, and the client's.
func sockets(t testing.TB) (int, net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	file := os.NewFile(uintptr(fds[1]), "client")
	client, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = unix.Close(fds[0])
		_ = client.Close()
	})
	_ = client.SetDeadline(time.Now().Add(patience))
	return fds[0], client
}

// nothing is a changed for handshakes that a test looks at itself.
func nothing() {}

// accept gives a server's Session whose client is crypto/tls itself, over that connection.
func (s *site) accept() (*Session, *tls.Conn, net.Conn) {
	s.t.Helper()
	fd, conn := sockets(s.t)
	client := tls.Client(conn, s.client)
	failed := make(chan error, 1)
	go func() { failed <- client.Handshake() }()
	session := s.handshake(fd)
	if err := <-failed; err != nil {
		s.t.Fatal(err)
	}
	return session, client, conn
}

// handshake is the server's side of a handshake that succeeds.
func (s *site) handshake(fd int) *Session {
	s.t.Helper()
	h := s.queue().Begin(fd, nothing)
	s.turnUntil(h)
	session, err := h.Result()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(session.Close)
	firstRead(s.t, session)
	return session
}

// firstRead is that of the owner, after the handshake.
func firstRead(t testing.TB, s *Session) {
	t.Helper()
	if got, err := read(s); len(got) > 0 || err != unix.EAGAIN {
		t.Fatalf("after the handshake: got %q, %v, want EAGAIN", got, err)
	}
}

// pair gives both Sessions of a connection, each with a loop of its own.
func (s *site) pair() (server, client *Session) {
	s.t.Helper()
	fd, conn := sockets(s.t)
	type result struct {
		session *Session
		err     error
	}
	done := make(chan result, 1)
	go func() {
		session, err := Client(context.Background(), conn, s.client)
		done <- result{session, err}
	}()
	server = s.handshake(fd)
	r := <-done
	if r.err != nil {
		s.t.Fatal(r.err)
	}
	r.session.Attach(duplicate(s.t, conn), NewShared(buffer.NewPool(1<<20)))
	s.t.Cleanup(r.session.Close)
	firstRead(s.t, r.session)
	return server, r.session
}

// duplicate gives another descriptor of a connection, as the dialler makes it.
func duplicate(t testing.TB, conn net.Conn) int {
	t.Helper()
	file, err := conn.(*net.UnixConn).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	fd, err := unix.FcntlInt(file.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// read reads from s until unix.EAGAIN, or what it returns else.
func read(s *Session) (got []byte, err error) {
	b := make([]byte, 8<<10)
	for {
		n, err := s.Read(b)
		got = append(got, b[:n]...)
		if n == 0 {
			return got, err
		}
	}
}

// expect reads want, and waits for it.
func expect(t testing.TB, s *Session, want []byte) {
	t.Helper()
	var got []byte
	kit.Wait(t, patience, "answer", func() bool {
		more, err := read(s)
		if err != unix.EAGAIN {
			t.Fatalf("after %d bytes: got %v, want EAGAIN", len(got)+len(more), err)
		}
		got = append(got, more...)
		return len(got) >= len(want)
	})
	if !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes, want the %d that were written", len(got), len(want))
	}
}

// mustWrite writes b whole.
func mustWrite(t testing.TB, s *Session, b []byte) {
	t.Helper()
	if n, err := s.Write(b); n != len(b) || err != nil {
		t.Fatalf("write: got %d, %v, want %d, nil", n, err, len(b))
	}
}
