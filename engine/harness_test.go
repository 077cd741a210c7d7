package engine

import (
	"crypto/tls"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/engine/buffer"
	"distcache/internal/test/kit"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// soon bounds what takes no time but on a machine that is busy with something else.
const soon = time.Minute

// script is a Handler that a test writes. Where a field is nil, it does the usual: echo,
// and close at the end. It holds the server to Handler's contract in every test.
type script struct {
	buffer    func(c int) []byte
	opened    func(c int)
	received  func(c int, b []byte)
	ended     func(c int)
	failed    func(c int, err error)
	drained   func(c int)
	turnEnded func()

	t       complainer
	clients *Clients
	open    map[int]bool
	died    map[int]int // the turn in which a number was closed last
	turn    int
	last    time.Duration
	memory  []byte
	offered []byte // what Buffer gave last
}

// complainer is told of faults: a testing.TB, or whatever a process has instead.
type complainer interface {
	Errorf(format string, args ...any)
}

// handle prepares s to be a Handler that tells t of faults.
func (s *script) handle(t complainer) func(*Clients) Handler {
	return func(cs *Clients) Handler {
		s.t, s.clients = t, cs
		s.open, s.died = map[int]bool{}, map[int]int{}
		s.memory = make([]byte, 64<<10)
		return s
	}
}

// told checks what holds for every call.
func (s *script) told(c int, what string, now time.Duration) {
	if !s.open[c] {
		s.t.Errorf("%s: client %d is not open", what, c)
	}
	s.clock(what, now)
}

func (s *script) clock(what string, now time.Duration) {
	if now < s.last {
		s.t.Errorf("%s: the time went back from %v to %v", what, s.last, now)
	}
	s.last = now
}

func (s *script) Opened(c int, now time.Duration) {
	if s.open[c] {
		s.t.Errorf("client %d was opened twice", c)
	}
	if turn, ok := s.died[c]; ok && turn == s.turn {
		s.t.Errorf("number %d came back in the turn in which it died", c)
	}
	s.open[c] = true
	s.told(c, "Opened", now)
	if s.opened != nil {
		s.opened(c)
	}
}

func (s *script) Buffer(c int) []byte {
	s.told(c, "Buffer", s.last)
	s.offered = s.memory
	if s.buffer != nil {
		s.offered = s.buffer(c)
	}
	return s.offered
}

func (s *script) Received(c int, b []byte, now time.Duration) {
	s.told(c, "Received", now)
	if len(b) == 0 || &b[0] != &s.offered[0] {
		s.t.Errorf("Received: got %d bytes, want some, at the start of what Buffer gave", len(b))
	}
	if s.received != nil {
		s.received(c, b)
		return
	}
	s.write(c, b)
}

func (s *script) Ended(c int, now time.Duration) {
	s.told(c, "Ended", now)
	if s.ended != nil {
		s.ended(c)
		return
	}
	s.close(c)
}

func (s *script) Failed(c int, err error, now time.Duration) {
	s.told(c, "Failed", now)
	if err == nil {
		s.t.Errorf("Failed: client %d: no error", c)
	}
	if s.failed != nil {
		s.failed(c, err)
		return
	}
	s.close(c)
}

func (s *script) Drained(c int, now time.Duration) {
	s.told(c, "Drained", now)
	if s.drained != nil {
		s.drained(c)
	}
}

func (s *script) TurnEnded(now time.Duration) {
	s.clock("TurnEnded", now)
	if s.turnEnded != nil {
		s.turnEnded()
	}
	s.turn++
}

// outcome is what a write returned.
type outcome string

// The outcomes of a write.
const (
	sent     outcome = "sent"
	held     outcome = "held"
	failed   outcome = "failed"
	noMemory outcome = "no memory"
)

// outcomeOf takes what Clients.Write returned.
func outcomeOf(kept bool, err error) outcome {
	switch {
	case err == buffer.ErrFull:
		return noMemory
	case err != nil:
		return failed
	case kept:
		return held
	}
	return sent
}

// write ends the client when it cannot be written to.
func (s *script) write(c int, b []byte) outcome {
	got := outcomeOf(s.clients.Write(c, b))
	if got == failed || got == noMemory {
		s.close(c)
	}
	return got
}

func (s *script) close(c int) {
	delete(s.open, c)
	s.died[c] = s.turn
	s.clients.Close(c)
}

// limits of a server.
type limits struct {
	max  int                // clients
	pool int                // bytes
	tcp  bool               // on TCP rather than a unix socket
	tls  func() *tls.Config // with TLS on that; nil: plain
}

// server is a loop with a Listener and a script.
type server struct {
	*Loop
	t         testing.TB
	clients   *Clients
	listener  *Listener
	pool      *buffer.Pool
	script    *script // nil where it has another Handler
	at        unix.Sockaddr
	directory string     // of a unix socket
	ended     chan error // gets what Run returns
}

// serve runs a server until the test ends. Then Run must return nil, nothing may be lent,
// and no descriptor and no goroutine be left.
func serve(t testing.TB, s *script, l limits) *server {
	t.Helper()
	if l.max == 0 {
		l.max = 100_000
	}
	if l.pool == 0 {
		l.pool = 16 << 20
	}
	before := kit.OwnDescriptors(t)
	t.Cleanup(func() { goleak.VerifyNone(t) })
	srv, err := newServer(l, s.handle(t))
	if err != nil {
		t.Fatal(err)
	}
	srv.t, srv.script = t, s
	go func() { srv.ended <- srv.Run() }()
	t.Cleanup(func() { srv.close(before) })
	return srv
}

// newServer makes a server that does not run yet.
func newServer(l limits, handler func(*Clients) Handler) (*server, error) {
	loop, err := NewLoop()
	if err != nil {
		return nil, err
	}
	pool := buffer.NewPool(l.pool)
	srv := &server{Loop: loop, clients: NewClients(loop, pool), pool: pool, ended: make(chan error, 1)}
	h := handler(srv.clients)
	srv.clients.Serve(h)
	if ender, ok := h.(interface{ TurnEnded(time.Duration) }); ok {
		loop.AtTurnEnd(ender.TurnEnded)
	}
	at := unix.Sockaddr(&unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	if !l.tcp {
		if srv.directory, err = os.MkdirTemp("", "dc"); err != nil {
			return nil, err
		}
		at = &unix.SockaddrUnix{Name: filepath.Join(srv.directory, "s")}
	}
	fd, at, err := listening(at)
	if err != nil {
		return nil, err
	}
	srv.at = at
	if l.tls != nil {
		srv.clients.Secure(l.tls)
	}
	if srv.listener, err = loop.Listen(fd, srv.clients, l.max); err == nil {
		srv.listener.Secure = l.tls != nil
	}
	return srv, err
}

// family is what a socket for at has to be of.
func family(at unix.Sockaddr) int {
	if _, ok := at.(*unix.SockaddrUnix); ok {
		return unix.AF_UNIX
	}
	return unix.AF_INET
}

// listening makes a listening socket and gives the address that it got.
func listening(at unix.Sockaddr) (int, unix.Sockaddr, error) {
	fd, err := unix.Socket(family(at), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, nil, err
	}
	steps := []func() error{
		func() error { return unix.Bind(fd, at) },
		func() error { return unix.Listen(fd, 4096) },
		func() (err error) { at, err = unix.Getsockname(fd); return err },
	}
	for _, step := range steps {
		if err := step(); err != nil {
			_ = unix.Close(fd)
			return -1, nil, err
		}
	}
	return fd, at, nil
}

// close ends the server and looks at what is left of it.
func (srv *server) close(before map[int]string) {
	_ = srv.Post(func() { // refused where the test stopped the loop itself
		srv.listener.Stop()
		srv.closeClients()
		srv.Stop()
	})
	if err := srv.wait(); err != nil {
		srv.t.Errorf("Run: got %v, want nil", err)
	}
	srv.listener.Stop() // again, or for the first time where the test stopped the loop itself
	srv.closeClients()
	_ = os.RemoveAll(srv.directory)
	if lent := srv.pool.Lent(); lent != 0 {
		srv.t.Errorf("with no client left: got %d bytes lent, want 0", lent)
	}
	waitFor(srv.t, "end of all descriptors", func() bool { // some are closed on another goroutine
		after := kit.OwnDescriptors(srv.t)
		maps.DeleteFunc(after, func(fd int, _ string) bool { _, had := before[fd]; return had })
		return len(after) == 0
	})
}

func (srv *server) closeClients() {
	for fd, c := range srv.clients.table {
		switch {
		case c == nil:
		case c.tls != nil && c.tls.handshake != nil: // the Handler has not heard of it
			srv.clients.Close(fd)
		case srv.script != nil:
			srv.script.close(fd)
		default:
			srv.clients.Close(fd)
		}
	}
}

// wait gives what Run returned, however often it is asked.
func (srv *server) wait() error {
	srv.t.Helper()
	err := receive(srv.t, srv.ended, "end of Run")
	srv.ended <- err
	return err
}

// do runs fn on the loop goroutine and waits for it.
func (srv *server) do(fn func()) {
	srv.t.Helper()
	done := make(chan struct{})
	if err := srv.Post(func() { defer close(done); fn() }); err != nil {
		srv.t.Fatalf("Post: %v", err)
	}
	receive(srv.t, done, "posted function")
}

// turns lets the loop take a few turns.
func (srv *server) turns() {
	srv.t.Helper()
	for range 4 {
		srv.do(func() {})
	}
}

// until waits until cond, asked on the loop goroutine, holds.
func (srv *server) until(what string, cond func() bool) {
	srv.t.Helper()
	kit.Wait(srv.t, soon, what, func() (ok bool) {
		srv.do(func() { ok = cond() })
		return ok
	})
}

// waitFor waits until cond holds.
func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	kit.Wait(t, soon, what, cond)
}

// receive waits for c.
func receive[T any](t testing.TB, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(soon):
		t.Fatalf("got no %s within %v", what, soon)
		panic("unreachable")
	}
}

// peer is a client's socket. It blocks, for soon at most.
type peer struct {
	t  testing.TB
	fd int
}

// connect makes a client, which the test closes.
func (srv *server) connect() peer {
	srv.t.Helper()
	p, err := dial(srv.t, srv.at)
	if err != nil {
		srv.t.Fatalf("connect: %v", err)
	}
	return p
}

func (srv *server) connectMany(n int) []peer {
	srv.t.Helper()
	peers := make([]peer, n)
	for i := range peers {
		peers[i] = srv.connect()
	}
	return peers
}

func dial(t testing.TB, at unix.Sockaddr) (peer, error) {
	if path, ok := at.(*unix.SockaddrUnix); ok {
		at = &unix.SockaddrUnix{Name: path.Name} // connecting writes to it
	}
	fd, err := unix.Socket(family(at), unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return peer{}, err
	}
	timeout := unix.NsecToTimeval(soon.Nanoseconds())
	err = unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &timeout)
	for err == nil {
		if err = unix.Connect(fd, at); err == nil {
			return peer{t, fd}, nil
		}
		if err == unix.EINTR {
			err = nil
		}
	}
	_ = unix.Close(fd)
	return peer{}, err
}

func (p peer) send(text string) {
	p.t.Helper()
	for rest := []byte(text); len(rest) > 0; {
		n, err := unix.Write(p.fd, rest)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			p.t.Fatalf("send: %v after %d of %d bytes", err, len(text)-len(rest), len(text))
		}
		rest = rest[n:]
	}
}

// read gives what comes next, at most max bytes, and io.EOF as "", nil.
func (p peer) read(max int) (string, error) {
	b := make([]byte, max)
	for {
		n, err := unix.Read(p.fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return "", err
		}
		return string(b[:n]), nil
	}
}

// expect reads want.
func (p peer) expect(want string) {
	p.t.Helper()
	got := ""
	for len(got) < len(want) {
		more, err := p.read(len(want) - len(got))
		if more == "" || err != nil {
			p.t.Fatalf("got %s and the end (%v), want %s", brief(got), err, brief(want))
		}
		got += more
	}
	if got != want {
		p.t.Fatalf("got %s, want %s", brief(got), brief(want))
	}
}

// expectEnd reads the end of the stream.
func (p peer) expectEnd() {
	p.t.Helper()
	if got, err := p.read(64); got != "" || err != nil {
		p.t.Fatalf("got %s, %v, want the end", brief(got), err)
	}
}

// ended reports whether the other side has closed, without waiting.
func (p peer) ended() bool {
	n, _, err := unix.Recvfrom(p.fd, make([]byte, 64), unix.MSG_DONTWAIT)
	return n == 0 && err == nil || err == unix.ECONNRESET
}

func (p peer) close() {
	p.t.Helper()
	if err := unix.Close(p.fd); err != nil {
		p.t.Errorf("close: %v", err)
	}
}

// reset closes a TCP connection in the hard way.
func (p peer) reset() {
	p.t.Helper()
	if err := unix.SetsockoptLinger(p.fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		p.t.Fatal(err)
	}
	p.close()
}

func brief(text string) string {
	if len(text) <= 64 {
		return fmt.Sprintf("%q", text)
	}
	return fmt.Sprintf("%q… (%d bytes)", text[:32], len(text))
}

// pattern is n bytes that are different at each place, seen from near by.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d,", i)
	}
	return b.String()[:n]
}

// timed is a Timed with a deadline that the test sets, on the loop goroutine.
type timed struct {
	at      time.Duration
	expired func(now time.Duration)
}

func (t *timed) Deadline() time.Duration { return t.at }

func (t *timed) Expire(now time.Duration) { t.expired(now) }

func closeAll(peers []peer) {
	for _, p := range peers {
		p.close()
	}
}
