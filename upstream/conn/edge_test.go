package conn

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/engine"
	"distcache/internal/test/kit"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// patience is how long a test waits for what must happen, on a slow machine too.
const patience = time.Minute

// edge is a Server over a Conn on a real loop.
type edge struct {
	t       *testing.T
	loop    *engine.Loop
	server  *upstream.Server
	conn    *Conn
	changes chan change
	answers chan string
	ended   chan error
}

type change struct {
	to  upstream.State
	why error
	at  time.Duration

	address string // of the connection, or tried last
}

// dial starts a link to target, with a retry time and a request timeout.
func dial(t *testing.T, target string, retry, timeout time.Duration) *edge {
	t.Helper()
	e := prepare(t, target, retry, timeout)
	e.do(func() { e.server.Start(e.loop.Now()) })
	return e
}

// prepare is dial, and does not start.
func prepare(t *testing.T, target string, retry, timeout time.Duration) *edge {
	t.Helper()
	addr, err := address.ParseSecureConnect(target)
	if err != nil {
		t.Fatal(err)
	}
	e := &edge{t: t, changes: make(chan change, 1000), answers: make(chan string, 10_000), ended: make(chan error, 1)}
	if e.loop, err = engine.NewLoop(); err != nil {
		t.Fatal(err)
	}
	config := upstream.Config{
		MaxInFlight: 1000, MaxBatch: 64 << 20,
		Timeout: timeout, Retry: retry, Random: func(b []byte) { clear(b) }, EndTurn: e.loop.EndTurn,
	}
	e.conn = New(e.loop, addr)
	e.server = upstream.New(config, e.conn, e, e)
	e.loop.Schedule(e.server)
	e.loop.AtTurnEnd(e.server.Link().Flush)
	go func() { e.ended <- e.loop.Run() }()
	t.Cleanup(e.stop)
	return e
}

// do runs fn on the loop and waits for it.
func (e *edge) do(fn func()) {
	e.t.Helper()
	done := make(chan struct{})
	if err := e.loop.Post(func() { fn(); close(done) }); err != nil {
		e.t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(patience):
		e.t.Fatal("the loop does not run")
	}
}

// stop ends the link and the loop, once.
func (e *edge) stop() {
	if e.loop == nil {
		return
	}
	e.do(func() { e.server.Stop(e.loop.Now()) })
	e.loop.Stop()
	if err := <-e.ended; err != nil {
		e.t.Errorf("the loop ended with %v", err)
	}
	e.loop = nil
}

// LinkChanged implements upstream.Watcher.
func (e *edge) LinkChanged(_, to upstream.State, why error, now time.Duration) {
	e.changes <- change{to, why, now, e.conn.Address()}
}

// Answer implements upstream.Answers.
func (e *edge) Answer(_ upstream.Owner, wire []byte, _ time.Duration) bool {
	a := codec.NewAssembler(codec.Response)
	m, err := a.Next(wire)
	if err != nil {
		e.answers <- err.Error()
		return true
	}
	e.answers <- string(m.Payload(nil))
	return true
}

// await waits until the link is in state to, and gives that change.
func (e *edge) await(to upstream.State) change {
	e.t.Helper()
	after := time.After(patience)
	for {
		select {
		case c := <-e.changes:
			if c.to == to {
				return c
			}
		case <-after:
			e.t.Fatalf("the link does not get to %v", to)
		}
	}
}

// awaitFailure waits until an attempt fails by itself, and gives how long that attempt took.
// On a busy machine the time of an attempt may be over before its goroutine has come to its
// reason. Then the next attempt must tell.
func (e *edge) awaitFailure() (failure change, took time.Duration) {
	e.t.Helper()
	for range 10 {
		began := e.await(upstream.Connecting).at
		failure = e.await(upstream.Down)
		took = failure.at - began
		late := errors.Is(failure.why, upstream.ErrAttemptTimeout) ||
			errors.Is(failure.why, address.ErrNotResolved) && e.conn.target.Host != noAnswer
		if !late {
			break
		}
		e.t.Logf("an attempt ended after %v without its reason", took)
	}
	return failure, took
}

// ask sends a GET; its answer comes to e.answers.
func (e *edge) ask(payload string) {
	e.t.Helper()
	e.do(func() { submit(e, payload) })
}

// submit is ask, on the loop.
func submit(e *edge, payload string) {
	wire := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, []byte(payload))
	var a codec.Assembler
	m, _ := a.Next(wire)
	if err := e.server.Submit(upstream.Owner{Client: 1}, &m, e.loop.Now()); err != nil {
		e.t.Errorf("got %v, want the request taken", err)
	}
}

func (e *edge) mustAnswer(want string) {
	e.t.Helper()
	select {
	case got := <-e.answers:
		if got != want {
			e.t.Errorf("got an answer of %d bytes, %.40q, want %.40q", len(got), got, want)
		}
	case <-time.After(patience):
		e.t.Fatal("no answer")
	}
}

// listen listens and lets behave have each connection, which is closed after that and
// at the end of the test.
func listen(t *testing.T, network, where string, behave func(net.Conn)) net.Listener {
	t.Helper()
	ln, err := net.Listen(network, where)
	if err != nil {
		t.Fatal(err)
	}
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		conns []net.Conn
	)
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
			wg.Go(func() {
				defer c.Close()
				behave(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
	return ln
}

// answering is a dc_server that has no session, but gives a GET its own payload back.
func answering(c net.Conn) { answer(c, -1) }

// answer answers n requests; a negative n is no bound.
func answer(c net.Conn, n int) {
	answerWith(c, n, func(m codec.Message) []byte { return m.Payload(nil) })
}

// answerWith is answer, with the data that a GET gets.
func answerWith(c net.Conn, n int, data func(m codec.Message) []byte) {
	var a codec.Assembler
	var held []byte
	in := make([]byte, 64<<10)
	for n != 0 {
		m, err := a.Next(held)
		if err == codec.ErrShort {
			got, err := c.Read(in)
			if err != nil {
				return
			}
			held = append(held, in[:got]...)
			continue
		}
		if err != nil {
			return
		}
		payload := []byte{byte(codec.StatusNotOK)}
		if m.Op == codec.OpGet {
			payload = data(m)
		}
		if _, err := c.Write(codec.AppendMessage(nil, codec.Response, m.UID, m.Op, payload)); err != nil {
			return
		}
		held = held[len(m.Wire):]
		n--
	}
}

// silent reads and says nothing.
func silent(c net.Conn) {
	in := make([]byte, 4096)
	for {
		if _, err := c.Read(in); err != nil {
			return
		}
	}
}

func portOf(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

// freePort is a TCP port on which nothing listens, until the test ends: it stays bound, so
// that nothing else is given it.
func freePort(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(goodIP).To4())}); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return name.(*unix.SockaddrInet4).Port
}

// socketPath is a path short enough for a unix socket.
func socketPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "s")
}

// fullBacklog listens and never accepts, so that a connect hangs. It gives the port.
func fullBacklog(t *testing.T, ip string, port int) int {
	t.Helper()
	b := kit.FullBacklog(t, kit.Endpoint{Network: "tcp", Address: net.JoinHostPort(ip, strconv.Itoa(port))})
	return b.Port()
}
