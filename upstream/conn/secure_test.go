package conn

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/secure"
	"distcache/internal/test/kit"
	"distcache/upstream"
)

// site is a CA, with the certificates of a dc_server and of this host.
type site struct {
	t              *testing.T
	ca             *kit.CA
	server, client *tls.Config
}

func newSite(t *testing.T) *site {
	ca := kit.NewCA(t, "test CA")
	return &site{t: t, ca: ca,
		server: &tls.Config{Certificates: []tls.Certificate{ca.Issue("cache").TLS}, ClientCAs: ca.Pool(),
			ClientAuth: tls.RequireAndVerifyClientCert, SessionTicketsDisabled: true},
		client: &tls.Config{Certificates: []tls.Certificate{ca.Issue("host1").TLS}, RootCAs: ca.Pool(), ServerName: "cache"},
	}
}

// listen is a TLS server: behave has each connection after its handshake. It gives the target.
func (s *site) listen(behave func(*tls.Conn)) (target string) {
	s.t.Helper()
	return secureTarget(listen(s.t, "tcp", goodIP+":0", func(c net.Conn) { s.serve(c, behave) }))
}

func (s *site) serve(c net.Conn, behave func(*tls.Conn)) {
	over := tls.Server(c, s.server)
	if over.Handshake() == nil {
		behave(over)
	}
}

func secureTarget(ln net.Listener) string { return fmt.Sprintf("TLS:%s:%d", goodIP, portOf(ln)) }

// answeringTLS is answering, and ends with a close_notify.
func answeringTLS(c *tls.Conn) {
	answering(c)
	_ = c.Close()
}

// dial starts a link to target over TLS, with no request timeout.
func (s *site) dial(target string, retry time.Duration) *edge {
	s.t.Helper()
	return s.dialWithin(target, retry, long)
}

func (s *site) dialWithin(target string, retry, timeout time.Duration) *edge {
	s.t.Helper()
	e := prepare(s.t, target, retry, timeout)
	e.conn.Secure(func() *tls.Config { return s.client })
	e.do(func() { e.server.Start(e.loop.Now()) })
	return e
}

// TestSecure serves over TLS: one request, a thousand in a turn, and answers of all sizes.
func TestSecure(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.dial(s.listen(answeringTLS), long)
	e.await(upstream.Up)
	e.ask("hello")
	e.mustAnswer("hello")
	var peer string
	e.do(func() { peer = e.conn.Peer() })
	if peer != "cache" {
		t.Errorf("got the peer %q, want cache", peer)
	}
	payload := func(i int) string { return strings.Repeat("x", i*i%9000) + fmt.Sprint(i) }
	e.do(func() {
		for i := range 1000 {
			submit(e, payload(i))
		}
	})
	for i := range 1000 {
		e.mustAnswer(payload(i))
	}
}

// heldBack is a connection that keeps so many writes until the last of them.
type heldBack struct {
	net.Conn
	left int
	held []byte
}

func (h *heldBack) Write(b []byte) (int, error) {
	h.held = append(h.held, b...)
	if h.left--; h.left > 0 {
		return len(b), nil
	}
	_, err := h.Conn.Write(h.held)
	return len(b), err
}

// TestSecurePartialWrites sends more than the sockets hold before the server reads, and gets as
// much back, which is more than is read at a time.
func TestSecurePartialWrites(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const requests = tooManyRequests
	read := make(chan struct{})
	release := sync.OnceFunc(func() { close(read) })
	e := s.dial(s.listen(func(c *tls.Conn) {
		holdLittle(c.NetConn())
		answer(c, 1)
		<-read
		answer(&heldBack{Conn: c, left: requests}, requests) // nothing comes that makes us read before
	}), long)
	t.Cleanup(release) // also when the test fails: the server waits for it
	e.await(upstream.Up)
	payload := func(i int) string { return strings.Repeat(fmt.Sprintf("%08d", i), 4000) }
	e.do(func() {
		for i := range requests {
			submit(e, payload(i))
		}
	})
	var unsent, pending int
	kit.Wait(t, patience, "ciphertext that waits", func() bool { // the end of the turn writes
		e.do(func() { unsent, pending = len(e.server.Mux().Unsent()), e.conn.session.Pending() })
		return pending > 0
	})
	if unsent == 0 {
		t.Fatal("the sockets took it all: nothing was written in parts")
	}
	release()
	for i := range requests {
		e.mustAnswer(payload(i))
	}
}

// TestSecureAnswersInOneGo has more answers wait than fit the link's buffer, while the loop does not
// read: all are delivered, although the socket tells of the last ones only once.
func TestSecureAnswersInOneGo(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const answered = 40
	largest := strings.Repeat("x", codec.MaxPayload)
	asked, written := make(chan struct{}), make(chan struct{})
	e := s.dial(s.listen(func(c *tls.Conn) {
		answer(c, 1)
		<-asked
		go func() {
			time.Sleep(50 * ms) // as much as the sockets hold
			close(written)
		}()
		answerWith(c, answered, func(codec.Message) []byte { return []byte(largest) })
		answering(c)
	}), long)
	e.await(upstream.Up)
	for range answered {
		e.ask("hello")
	}
	e.do(func() {
		close(asked)
		<-written
	})
	for range answered {
		e.mustAnswer(largest)
	}
}

// TestSecureAnswersInTimeCount: the process was held while answers came, and they are more than is
// read from the socket at a time. None of the requests times out.
func TestSecureAnswersInTimeCount(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const answered, timeout = 3, 2 * time.Second
	payload := strings.Repeat("x", 18<<10)
	asked := make(chan struct{})
	e := s.dialWithin(s.listen(func(c *tls.Conn) {
		answer(c, 1)
		<-asked
		answerWith(c, answered, func(codec.Message) []byte { return []byte(payload) })
		silent(c)
	}), long, timeout)
	e.await(upstream.Up)
	e.do(func() {
		for range answered {
			submit(e, "hello")
		}
		e.server.Link().Flush(e.loop.Now())
		close(asked)
		time.Sleep(timeout)
	})
	for range answered {
		e.mustAnswer(payload)
	}
}

// TestSecureEnds: the end of a connection with a close_notify is an end, one without is not.
func TestSecureEnds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		end  func(*tls.Conn)
		want error
	}{
		{"close_notify", func(c *tls.Conn) { _ = c.Close() }, upstream.ErrClosed},
		{"close_notify, and the socket stays open", func(c *tls.Conn) { _ = c.CloseWrite(); silent(c.NetConn()) }, upstream.ErrClosed},
		{"truncated", func(c *tls.Conn) { _ = c.NetConn().Close() }, secure.ErrTruncated},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			e := s.dial(s.listen(func(c *tls.Conn) {
				answer(c, 2)
				row.end(c)
			}), long)
			e.await(upstream.Up)
			e.ask("hello")
			e.mustAnswer("hello")
			if c := e.await(upstream.Down); !errors.Is(c.why, row.want) {
				t.Errorf("got %v, want %v", c.why, row.want)
			}
		})
	}
}

// TestSecureSaysGoodbye: dc_server sees a close_notify when the link stops.
func TestSecureSaysGoodbye(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	ended := make(chan error, 1)
	e := s.dial(s.listen(func(c *tls.Conn) {
		answer(c, 1)
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}), long)
	e.await(upstream.Up)
	e.stop()
	if err := <-ended; err == nil || err.Error() != "EOF" {
		t.Errorf("got %v, want EOF after a close_notify", err)
	}
}

// TestU20RefusedAfterTheHandshake: in TLS 1.3 the server judges our certificate when our handshake
// is over. The link is never up for that, and the times between attempts grow.
func TestU20RefusedAfterTheHandshake(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.server.ClientCAs = kit.NewCA(t, "another CA").Pool()
	e := s.dial(s.listen(answeringTLS), 400*ms)
	var began []time.Duration
	for range 4 {
		began = append(began, e.await(upstream.Connecting).at)
		c := <-e.changes
		if c.to != upstream.Probing {
			t.Fatalf("got %v, want probing", c.to)
		}
		if c = e.await(upstream.Down); c.why == nil || !strings.Contains(c.why.Error(), "the server refuses the certificate of this side") {
			t.Errorf("got %v, want that the certificate is refused", c.why)
		}
	}
	for i, least := range []time.Duration{100 * ms, 200 * ms, 400 * ms} {
		if gap := began[i+1] - began[i]; gap < least {
			t.Errorf("attempt %d: got it %v after the one before, want %v and more", i+2, gap, least)
		}
	}
}

// recorder is a peer that keeps what it is sent.
type recorder struct {
	net.Conn
	mu   sync.Mutex
	sent []byte
}

func (r *recorder) Read(b []byte) (int, error) {
	n, err := r.Conn.Read(b)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sent = append(r.sent, b[:n]...)
	return n, err
}

// mustBeTLS holds that there is nothing but TLS records in what came.
func (r *recorder) mustBeTLS(t *testing.T) {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	rest := r.sent
	for len(rest) >= 5 {
		if kind := rest[0]; kind < 20 || kind > 23 || rest[1] != 3 {
			t.Errorf("got % .20x sent, want TLS records", rest)
			return
		}
		rest = rest[min(len(rest), 5+int(rest[3])<<8+int(rest[4])):]
	}
	if len(r.sent) == 0 || r.sent[0] != 22 {
		t.Errorf("got %.20x sent, want a ClientHello first", r.sent)
	}
}

// TestU18Refusals: a dc_server that is not the right one is refused, for a reason that says why. It
// gets no byte that is not TLS, and the next attempt comes no sooner than after an unreachable one.
func TestU18Refusals(t *testing.T) {
	t.Parallel()
	hour := time.Hour
	issue := func(change func(*x509.Certificate)) func(*site) {
		return func(s *site) { s.server.Certificates = []tls.Certificate{s.ca.Issue("cache", change).TLS} }
	}
	for _, row := range []struct {
		name   string
		change func(*site)
		want   string
	}{
		{"another CA", func(s *site) {
			s.server.Certificates = []tls.Certificate{kit.NewCA(t, "another CA").Issue("cache").TLS}
		}, `certificate "cache" is not signed by a CA of -tlsca`},
		{"expired", issue(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }), `certificate "cache" expired on`},
		{"not yet valid", issue(func(c *x509.Certificate) { c.NotBefore = time.Now().Add(hour); c.NotAfter = time.Now().Add(2 * hour) }), `certificate "cache" is not valid before`},
		{"another name", func(s *site) { s.client.ServerName = "other" }, `certificate "cache" is not for the name "other"`},
		{"another use", issue(func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }), `certificate "cache" is for another use`},
		{"revoked", func(s *site) {
			s.client.VerifyConnection = func(tls.ConnectionState) error { return errors.New(`certificate "cache" is revoked (-tlscrl)`) }
		}, `certificate "cache" is revoked (-tlscrl)`},
		{"TLS 1.2 alone", func(s *site) { s.server.MaxVersion = tls.VersionTLS12 }, "the server does not speak TLS 1.3"},
		{"no certificate of ours", func(s *site) { s.client.Certificates = nil }, "the server refuses the certificate of this side"},
		{"plain", func(s *site) { s.server = nil }, "does that port speak TLS?"},
		{"plain, and answers", nil, "the server does not speak TLS there: does it listen with TLS:?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if row.change != nil {
				row.change(s)
			}
			recorded := make(chan *recorder, 100)
			ln := listen(t, "tcp", goodIP+":0", func(c net.Conn) {
				r := &recorder{Conn: c}
				defer func() { recorded <- r }()
				switch {
				case row.change == nil:
					_, _ = r.Read(make([]byte, 2000))
					_, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
				case s.server == nil: // a dc_server closes after the first wrong byte
					_, _ = r.Read(make([]byte, 5000))
				default:
					s.serve(r, answeringTLS)
				}
			})
			e := s.dial(secureTarget(ln), 100*ms)
			for range 3 {
				began := e.await(upstream.Connecting).at
				c := e.await(upstream.Down)
				if c.why == nil || !strings.Contains(c.why.Error(), row.want) {
					t.Errorf("got %v, want a reason with %q", c.why, row.want)
				}
				if next := e.await(upstream.Connecting).at; next-began < 100*ms {
					t.Errorf("got the next attempt %v after the last, want 100ms and more", next-began)
				}
				e.await(upstream.Down)
				(<-recorded).mustBeTLS(t)
			}
		})
	}
}

// stalling is a connection that takes a server's first bytes, and no more.
type stalling struct {
	net.Conn
	left int
}

func (s *stalling) Write(b []byte) (int, error) {
	n := min(len(b), s.left)
	s.left -= n
	if _, err := s.Conn.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

// TestU19HandshakeStalls: a dc_server that stalls, after each message of the handshake and within
// them, costs an attempt and no more.
func TestU19HandshakeStalls(t *testing.T) {
	t.Parallel()
	const all = 1 << 20
	rows := []struct {
		name  string
		after int // bytes of the server
		want  error
	}{
		{"at once", 0, errHandshakeTimeout},
		{"within a record's header", 3, errHandshakeTimeout},
		{"within the ServerHello", 60, errHandshakeTimeout},
		{"after the ServerHello", 1215, errHandshakeTimeout}, // X25519MLKEM768
		{"within the certificate", 1500, errHandshakeTimeout},
		{"after the handshake", all, upstream.ErrProbeTimeout},
	}
	var edges []*edge
	for _, row := range rows {
		s := newSite(t)
		target := secureTarget(listen(t, "tcp", goodIP+":0", func(c net.Conn) {
			s.serve(&stalling{c, row.after}, func(c *tls.Conn) { silent(c) })
			silent(c)
		}))
		edges = append(edges, s.dial(target, 100*ms))
	}
	for i, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			if c, _ := edges[i].awaitFailure(); !errors.Is(c.why, row.want) {
				t.Errorf("got %v, want %v", c.why, row.want)
			}
		})
	}
}

// TestU22NextHandshakeUsesTheNewCertificates: the connection stays when they change.
func TestU22NextHandshakeUsesTheNewCertificates(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	names := make(chan string, 10)
	quit := make(chan struct{})
	target := s.listen(func(c *tls.Conn) {
		names <- c.ConnectionState().PeerCertificates[0].Subject.CommonName
		answer(c, 2)
		<-quit
	})
	e := s.dial(target, 100*ms)
	e.await(upstream.Up)
	e.do(func() {
		s.client = &tls.Config{Certificates: []tls.Certificate{s.ca.Issue("renewed").TLS}, RootCAs: s.ca.Pool(), ServerName: "cache"}
	})
	e.ask("hello")
	e.mustAnswer("hello")
	close(quit)
	e.await(upstream.Down)
	e.await(upstream.Up)
	if first, second := <-names, <-names; first != "host1" || second != "renewed" {
		t.Errorf("got the certificates %s and %s, want host1 and renewed", first, second)
	}
}

// TestF10NextOverTLS: a move speaks TLS too, and both connections serve while it goes on.
func TestF10NextOverTLS(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e := s.dial(s.listen(answeringTLS), long)
	e.await(upstream.Up)
	second := *e
	second.changes, second.answers = make(chan change, 100), make(chan string, 1000)
	e.do(func() {
		second.conn = e.conn.Next()
		second.server = upstream.New(upstream.Config{MaxInFlight: 1000, MaxBatch: 1 << 20, Timeout: long, Retry: long, Random: func(b []byte) { clear(b) },
			EndTurn: e.loop.EndTurn},
			second.conn, &second, &second)
		e.loop.Schedule(second.server)
		e.loop.AtTurnEnd(second.server.Link().Flush)
		second.server.Start(e.loop.Now())
	})
	second.await(upstream.Up)
	payload := strings.Repeat("x", 20_000)
	for range 50 { // both have the same buffer for ciphertext
		e.ask(payload)
		second.ask(payload)
	}
	for range 50 {
		e.mustAnswer(payload)
		second.mustAnswer(payload)
	}
	e.do(func() { second.server.Stop(e.loop.Now()) })
	e.ask("hello")
	e.mustAnswer("hello")
}
