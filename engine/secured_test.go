package engine

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/engine/secure"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// secureServer is a server of TLS clients, and what these need.
type secureServer struct {
	*server
	ca     *kit.CA
	client *tls.Config
}

// serveSecure runs a server with TLS until the test ends.
func serveSecure(t *testing.T, s *script) secureServer {
	t.Helper()
	ca := kit.NewCA(t, "test CA")
	server := &tls.Config{Certificates: []tls.Certificate{ca.Issue("cache").TLS}, ClientCAs: ca.Pool(),
		ClientAuth: tls.RequireAndVerifyClientCert}
	srv := serve(t, s, limits{tcp: true, tls: func() *tls.Config { return server }})
	return secureServer{server: srv, ca: ca, client: &tls.Config{
		Certificates: []tls.Certificate{ca.Issue("host1").TLS}, RootCAs: ca.Pool(), ServerName: "cache"}}
}

// raw connects, without TLS.
func (s secureServer) raw() *net.TCPConn {
	s.t.Helper()
	at := s.at.(*unix.SockaddrInet4)
	conn, err := net.DialTCP("tcp", nil, &net.TCPAddr{IP: at.Addr[:], Port: at.Port})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(soon))
	return conn
}

// dial connects with TLS.
func (s secureServer) dial() *tls.Conn {
	s.t.Helper()
	conn := tls.Client(s.raw(), s.client)
	if err := conn.Handshake(); err != nil {
		s.t.Fatal(err)
	}
	return conn
}

// mustEcho sends text and reads it.
func mustEcho(t testing.TB, conn net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text {
		t.Fatalf("got %s, %v, want %s", brief(string(got)), err, brief(text))
	}
}

// TestSecureClients: TLS clients are served as others are, whatever the sizes.
func TestSecureClients(t *testing.T) {
	srv := serveSecure(t, &script{})
	var all []*tls.Conn
	for i := range 5 {
		conn := srv.dial()
		mustEcho(t, conn, fmt.Sprint("I am ", i))
		all = append(all, conn)
	}
	for _, size := range []int{1, 5_000, 16 << 10, 100_000} {
		mustEcho(t, all[size%len(all)], pattern(size))
	}
	srv.until("5 clients", func() bool { return srv.clients.Len() == 5 })
	for _, conn := range all {
		_ = conn.Close()
	}
	srv.until("none", func() bool { return srv.clients.Len() == 0 })
}

// TestSecureBytesWithTheHandshake: a request that comes with the client's last message is taken.
func TestSecureBytesWithTheHandshake(t *testing.T) {
	srv := serveSecure(t, &script{})
	for range 5 {
		conn := tls.Client(srv.raw(), srv.client)
		mustEcho(t, conn, "at once") // Write makes the handshake and goes on
	}
}

// TestSecureUnread: what a client does not read is held, in plaintext but for one record, and told when it is gone.
func TestSecureUnread(t *testing.T) {
	const size, times = 100_000, 400
	drained, block := 0, []byte(pattern(size))
	s := &script{drained: func(int) { drained++ }}
	held := false
	s.received = func(c int, b []byte) {
		for range times {
			switch s.write(c, block) {
			case failed, noMemory:
				t.Error("the write failed")
				return
			}
			if s.clients.Unread(c) > 0 && s.clients.table[c].held != nil {
				held = true
				break // no more than is allowed to be held
			}
		}
		s.write(c, []byte("end"))
	}
	srv := serveSecure(t, s)
	conn := srv.dial()
	if _, err := io.WriteString(conn, "go"); err != nil {
		t.Fatal(err)
	}
	srv.until("bytes that are held", func() bool { return held })
	var got bytes.Buffer
	for b := make([]byte, 64<<10); !bytes.HasSuffix(got.Bytes(), []byte("end")); {
		n, err := conn.Read(b)
		if err != nil {
			t.Fatalf("after %d bytes: %v", got.Len(), err)
		}
		got.Write(b[:n])
	}
	if got.Len()%size != 3 || !bytes.HasPrefix(got.Bytes(), block) {
		t.Errorf("got %d bytes, want whole patterns and the end", got.Len())
	}
	srv.until("Drained", func() bool { return drained == 1 })
}

// TestSecureLimits: clients over the limits of TLS are closed at once, and there is room again when others leave.
func TestSecureLimits(t *testing.T) {
	log := logTo(t)
	srv := serveSecure(t, &script{})
	srv.do(func() { srv.clients.security.most, srv.clients.security.mostUnderWay = 3, 2 })
	silent := []*net.TCPConn{srv.raw(), srv.raw()}
	srv.until("two handshakes", func() bool { return srv.clients.Len() == 2 })
	if _, err := srv.raw().Read(make([]byte, 1)); err == nil {
		t.Error("a third handshake: got bytes, want the end")
	}
	waitFor(t, "line", func() bool { return strings.Contains(log(), errHandshakes.Error()) })
	for _, conn := range silent {
		_ = conn.Close()
	}
	srv.until("none", func() bool { return srv.clients.Len() == 0 })
	for range 3 {
		mustEcho(t, srv.dial(), "served")
	}
	last := srv.raw()
	if _, err := last.Read(make([]byte, 1)); err == nil {
		t.Error("a fourth client: got bytes, want the end")
	}
	srv.do(func() {
		if got := srv.clients.security.full(); got != errMaxSecure {
			t.Errorf("got %v, want errMaxSecure", got)
		}
	})
}

// TestTrap01Resume: a client that was not read from goes on although no event tells of the bytes that TLS holds.
func TestTrap01Resume(t *testing.T) {
	s := &script{}
	paused, taken := false, 0
	small := make([]byte, 10)
	s.buffer = func(int) []byte {
		if taken == 10 && !paused {
			return nil
		}
		return small
	}
	var client int
	s.opened = func(c int) { client = c }
	s.received = func(c int, b []byte) { taken += len(b); s.write(c, b) }
	srv := serveSecure(t, s)
	conn := srv.dial()
	text := pattern(1000)
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	srv.until("pause", func() bool { return taken == 10 && !srv.clients.table[client].reading })
	if _, err := io.WriteString(conn, "more"); err != nil {
		t.Fatal(err)
	}
	kit.MustIdle(t, kit.OwnCPU, 0.05)
	srv.do(func() { paused = true; s.clients.Resume(client) })
	got := make([]byte, len(text)+4)
	if _, err := io.ReadFull(conn, got); err != nil || string(got) != text+"more" {
		t.Errorf("got %v, want all of the text", err)
	}
}

// TestTrap08Ends: close_notify is an end, a bare one is a failure, and after HangUp it is none.
func TestTrap08Ends(t *testing.T) {
	for _, row := range []struct {
		name string
		end  func(srv secureServer, conn *tls.Conn)
		want string
	}{
		{"close_notify", func(_ secureServer, conn *tls.Conn) { _ = conn.CloseWrite() }, "ended"},
		{"bare", func(_ secureServer, conn *tls.Conn) { _ = conn.NetConn().(*net.TCPConn).CloseWrite() }, "failed: " + secure.ErrTruncated.Error()},
		{"hung up", func(srv secureServer, _ *tls.Conn) { srv.do(srv.clients.HangUp) }, "ended"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, told := &script{}, make(chan string, 2)
			s.ended = func(c int) { told <- "ended"; s.close(c) }
			s.failed = func(c int, err error) { told <- "failed: " + errors.Unwrap(err).Error(); s.close(c) }
			srv := serveSecure(t, s)
			conn := srv.dial()
			mustEcho(t, conn, "hello")
			row.end(srv, conn)
			if got := receive(t, told, "end"); got != row.want {
				t.Errorf("got %q, want %q", got, row.want)
			}
			if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
				t.Errorf("the client: got %v, want the end", err)
			}
		})
	}
}

// logTo gives what is logged until the test ends.
func logTo(t *testing.T) func() string {
	var mu sync.Mutex
	var text strings.Builder
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(writerFunc(func(b []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(b)
	}), nil)))
	t.Cleanup(func() { slog.SetDefault(old) })
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return text.String()
	}
}

type writerFunc func(b []byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

// TestU18RefusedClients are logged with address and reason, one a second, and counted. The Handler never hears of them.
func TestU18RefusedClients(t *testing.T) {
	log := logTo(t)
	opened := 0
	srv := serveSecure(t, &script{opened: func(int) { opened++ }})
	plain := srv.raw()
	if _, err := io.WriteString(plain, "a request in plain text"); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("client=%v ", plain.LocalAddr())
	waitFor(t, "line of the plain client", func() bool { return strings.Contains(log(), want) })
	if !strings.Contains(log(), "the client does not speak TLS: it must use a TLS: address for this server") {
		t.Errorf("got %s, want the hint", log())
	}
	expired := srv.ca.Issue("host1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
	srv.client.Certificates = []tls.Certificate{expired.TLS}
	for range 4 {
		conn := tls.Client(srv.raw(), srv.client)
		if err := conn.Handshake(); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "expired certificate") {
			t.Errorf("the client: got %v, want the alert", err)
		}
	}
	srv.until("5 refused clients", func() bool { return srv.clients.Refused() == 5 && srv.clients.Len() == 0 })
	if n := strings.Count(log(), "TLS client refused"); n > 3 {
		t.Errorf("got %d lines, want one a second at most", n)
	}
	if opened != 0 {
		t.Errorf("the Handler heard of %d clients, want none", opened)
	}
}

// TestU19StalledHandshakes: a handshake that stalls at any message ends after 2 s, and keeps no other client waiting.
func TestU19StalledHandshakes(t *testing.T) {
	log := logTo(t)
	srv := serveSecure(t, &script{})
	var hello []byte
	_ = tls.Client(capture{&hello}, srv.client).Handshake()
	begin := time.Now()
	var stalled []*net.TCPConn
	for _, sent := range [][]byte{nil, hello[:1], hello[:len(hello)/2], hello} {
		conn := srv.raw()
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
		stalled = append(stalled, conn)
	}
	mustEcho(t, srv.dial(), "served meanwhile")
	for _, conn := range stalled {
		if _, err := io.Copy(io.Discard, conn); err != nil && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("got %v, want the end", err)
		}
		if took := time.Since(begin); took < handshakeTimeout {
			t.Errorf("got the end after %v, want %v", took, handshakeTimeout)
		}
	}
	srv.until("4 refused clients", func() bool { return srv.clients.Refused() == 4 })
	if !strings.Contains(log(), "the client sent no TLS message") {
		t.Errorf("got %s, want the reason", log())
	}
}

// capture is a connection that takes one message and is closed.
type capture struct{ written *[]byte }

func (c capture) Write(b []byte) (int, error) {
	*c.written = append(*c.written, b...)
	return len(b), nil
}
func (c capture) Read([]byte) (int, error)         { return 0, io.EOF }
func (c capture) Close() error                     { return nil }
func (c capture) LocalAddr() net.Addr              { return nil }
func (c capture) RemoteAddr() net.Addr             { return nil }
func (c capture) SetDeadline(time.Time) error      { return nil }
func (c capture) SetReadDeadline(time.Time) error  { return nil }
func (c capture) SetWriteDeadline(time.Time) error { return nil }

// TestSecureWaves: clients leave in mid-handshake, with FIN and RST, in several waves; all good ones are served. The end
// of each is noticed, and not left to the time limit of handshakes.
func TestSecureWaves(t *testing.T) {
	srv := serveSecure(t, &script{})
	srv.do(func() {
		security := srv.clients.security
		security.timeout = security.handshakes.NewQueue(time.Hour)
	})
	for range 3 {
		for n := range 8 {
			conn := srv.raw()
			config := srv.client.Clone()
			config.VerifyConnection = func(tls.ConnectionState) error {
				if n%2 == 0 {
					_ = conn.SetLinger(0)
				}
				return conn.Close()
			}
			go func() { _ = tls.Client(conn, config).Handshake() }()
		}
		for range 4 {
			mustEcho(t, srv.dial(), "served")
		}
	}
	srv.until("24 refused clients", func() bool { return srv.clients.Refused() == 24 })
}

// TestSecureReview: clients that a new configuration refuses are closed, whenever their handshake began; others stay.
func TestSecureReview(t *testing.T) {
	ca := kit.NewCA(t, "test CA")
	old := &tls.Config{Certificates: []tls.Certificate{ca.Issue("cache").TLS}, ClientCAs: ca.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}
	next := old.Clone()
	next.VerifyConnection = func(state tls.ConnectionState) error {
		if state.PeerCertificates[0].Subject.CommonName == "revoked" {
			return errors.New("it is revoked")
		}
		return nil
	}
	var current atomic.Pointer[tls.Config]
	current.Store(old)
	failed, closing := make(chan error, 10), &script{}
	closing.failed = func(c int, err error) {
		failed <- err
		closing.close(c)
	}
	srv := serve(t, closing, limits{tcp: true, tls: current.Load})
	s := secureServer{server: srv, ca: ca, client: &tls.Config{RootCAs: ca.Pool(), ServerName: "cache"}}
	dial := func(name string) *tls.Conn {
		s.client.Certificates = []tls.Certificate{ca.Issue(name).TLS}
		conn := s.dial()
		mustEcho(t, conn, "hello")
		return conn
	}
	good, revoked := dial("good"), dial("revoked")
	s.client.Certificates = []tls.Certificate{ca.Issue("revoked").TLS}
	halfway := s.raw()
	srv.until("3 clients", func() bool { return srv.clients.Len() == 3 })
	current.Store(next)
	srv.do(srv.clients.Review)
	if err := <-failed; err == nil || err.Error() != "it is revoked" {
		t.Errorf("got %v, want why it is closed", err)
	}
	if _, err := revoked.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v from the connection of the revoked client, want its end", err)
	}
	mustEcho(t, good, "still here")
	late := tls.Client(halfway, s.client)
	_ = late.Handshake() // the client's side succeeds
	if n, err := late.Read(make([]byte, 1)); err == nil {
		t.Errorf("got %d bytes of a handshake that began before, want a refusal", n)
	}
	srv.until("1 client", func() bool { return srv.clients.Len() == 1 })
}
