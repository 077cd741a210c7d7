package secure

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// attempt is one handshake: what both sides say of it, and what the client gets when it reads then.
func (s *site) attempt(client func(ctx context.Context, conn net.Conn) error) (serverErr, clientErr error) {
	s.t.Helper()
	fd, conn := sockets(s.t)
	done := make(chan error, 1)
	go func() { done <- client(s.t.Context(), conn) }()
	h := s.queue().Begin(fd, nothing)
	s.turnUntil(h)
	session, serverErr := h.Result()
	if session != nil {
		session.Close()
	} else {
		h.Abandon()
	}
	_ = unix.Shutdown(fd, unix.SHUT_RDWR) // the test closes it
	return serverErr, <-done
}

// dial is Client, and then the first Read.
func (s *site) dial(ctx context.Context, conn net.Conn) error {
	session, err := Client(ctx, conn, s.client)
	if err != nil {
		return err
	}
	session.Attach(duplicate(s.t, conn), NewShared(s.pool))
	for {
		_, err = read(session)
		if err != unix.EAGAIN {
			return err
		}
		_, _ = unix.Poll([]unix.PollFd{{Fd: int32(session.fd), Events: unix.POLLIN}}, 100)
	}
}

// TestU18Refusals: both sides say in a sentence why there is no connection.
func TestU18Refusals(t *testing.T) {
	yesterday := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(-48*time.Hour), c.NotAfter.Add(-24*time.Hour)
	}
	tomorrow := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = c.NotBefore.Add(24*time.Hour), c.NotAfter.Add(48*time.Hour)
	}
	use := func(u x509.ExtKeyUsage) func(c *x509.Certificate) {
		return func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{u} }
	}
	const refused = "the server refuses the certificate of this side"
	const refuses = "the client refuses the certificate of this side"
	for _, row := range []struct {
		name           string
		change         func(s *site, other *kit.CA)
		server, client string // in what they say
	}{
		{"client of another CA", func(s *site, other *kit.CA) { s.client.Certificates[0] = other.Issue("host1").TLS },
			`certificate "host1" is not signed by a CA of -tlsca`, refused},
		{"client expired", func(s *site, _ *kit.CA) { s.client.Certificates[0] = s.ca.Issue("host1", yesterday).TLS },
			`certificate "host1" expired on 20`, refused},
		{"client not yet valid", func(s *site, _ *kit.CA) { s.client.Certificates[0] = s.ca.Issue("host1", tomorrow).TLS },
			`certificate "host1" is not valid before 20`, refused},
		{"client with a server's certificate", func(s *site, _ *kit.CA) {
			s.client.Certificates[0] = s.ca.Issue("host1", use(x509.ExtKeyUsageServerAuth)).TLS
		}, `certificate "host1" is for another use`, refused},
		{"client without certificate", func(s *site, _ *kit.CA) { s.client.Certificates = nil },
			"client didn't provide a certificate", refused},
		{"server of another CA", func(s *site, other *kit.CA) { s.server.Certificates[0] = other.Issue("cache").TLS },
			refuses, `certificate "cache" is not signed by a CA of -tlsca`},
		{"server expired", func(s *site, _ *kit.CA) { s.server.Certificates[0] = s.ca.Issue("cache", yesterday).TLS },
			refuses, `certificate "cache" expired on 20`},
		{"server not yet valid", func(s *site, _ *kit.CA) { s.server.Certificates[0] = s.ca.Issue("cache", tomorrow).TLS },
			refuses, `certificate "cache" is not valid before 20`},
		{"server with a client's certificate", func(s *site, _ *kit.CA) {
			s.server.Certificates[0] = s.ca.Issue("cache", use(x509.ExtKeyUsageClientAuth)).TLS
		}, refuses, `certificate "cache" is for another use`},
		{"server of another name", func(s *site, _ *kit.CA) { s.client.ServerName = "elsewhere" },
			refuses, `certificate "cache" is not for the name "elsewhere"`},
		{"client of TLS 1.2", func(s *site, _ *kit.CA) { s.client.MaxVersion = tls.VersionTLS12 },
			"the client does not speak TLS 1.3", "the server does not speak TLS 1.3"},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := newSite(t)
			row.change(s, kit.NewCA(t, "other CA"))
			dial := s.dial
			if s.client.MaxVersion != 0 { // Client speaks TLS 1.3 alone
				dial = func(ctx context.Context, conn net.Conn) error {
					return Explain(Dialled, tls.Client(conn, s.client).HandshakeContext(ctx))
				}
			}
			server, client := s.attempt(dial)
			for _, side := range []struct {
				got  error
				want string
			}{{server, row.server}, {client, row.client}} {
				if side.got == nil || !strings.Contains(side.got.Error(), side.want) || strings.Contains(side.got.Error(), "\n") {
					t.Errorf("got  %v\nwant %s", side.got, side.want)
				}
			}
		})
	}
}

// TestOldServer: a server of TLS 1.2 is named as one.
func TestOldServer(t *testing.T) {
	s := newSite(t)
	s.server.MaxVersion = tls.VersionTLS12
	_, conn := sockets(t)
	other, theirs := net.Pipe()
	defer other.Close()
	_ = conn
	go func() { _ = tls.Server(theirs, s.server).Handshake(); _ = theirs.Close() }()
	_, err := Client(t.Context(), other, s.client)
	if err == nil || !strings.Contains(err.Error(), "the server does not speak TLS 1.3") {
		t.Errorf("got %v, want that it does not speak TLS 1.3", err)
	}
}

// TestTrap05RefusalComesWithTheFirstRead: the client's handshake succeeds before the server has looked at its certificate.
func TestTrap05RefusalComesWithTheFirstRead(t *testing.T) {
	s := newSite(t)
	s.client.Certificates[0] = kit.NewCA(t, "other CA").Issue("host1").TLS
	var handshake error
	_, err := s.attempt(func(ctx context.Context, conn net.Conn) error {
		session, err := Client(ctx, conn, s.client)
		if handshake = err; err != nil {
			return err
		}
		session.Attach(duplicate(t, conn), NewShared(s.pool))
		for err = unix.EAGAIN; err == unix.EAGAIN; {
			_, err = read(session)
		}
		return err
	})
	if handshake != nil || err == nil || !strings.Contains(err.Error(), "refuses") {
		t.Errorf("got %v and then %v, want nil and the refusal", handshake, err)
	}
}

// TestTrap06PlainText: both sides hint at the other's address.
func TestTrap06PlainText(t *testing.T) {
	s := newSite(t)
	server, _ := s.attempt(func(_ context.Context, conn net.Conn) error {
		_, err := conn.Write([]byte("a request in plain text"))
		return err
	})
	if server == nil || !strings.Contains(server.Error(), "the client does not speak TLS") {
		t.Errorf("plain client: got %v, want the hint", server)
	}
	server, _ = s.attempt(func(_ context.Context, conn net.Conn) error { return conn.Close() })
	if server == nil || !strings.Contains(server.Error(), "does it speak TLS") {
		t.Errorf("client that leaves: got %v, want the hint", server)
	}
	for name, answer := range map[string]string{"text": "HTTP/1.1 400 Bad Request\r\n\r\n", "end": ""} {
		conn, theirs := net.Pipe()
		go func() {
			_, _ = theirs.Read(make([]byte, 4096))
			_, _ = io.WriteString(theirs, answer)
			_ = theirs.Close()
		}()
		if _, err := Client(t.Context(), conn, s.client); err == nil || !strings.Contains(err.Error(), "TLS?") && !strings.Contains(err.Error(), "TLS:?") {
			t.Errorf("plain server, %s: got %v, want the hint", name, err)
		}
		_ = conn.Close()
	}
}

// TestTrap09NoTickets: a client that would resume gets no ticket.
func TestTrap09NoTickets(t *testing.T) {
	s := newSite(t)
	tickets := tickets(0)
	s.client.ClientSessionCache = &tickets
	session, client, _ := s.accept()
	mustWrite(t, session, []byte("x"))
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if tickets != 0 {
		t.Errorf("got %d tickets, want none", tickets)
	}
}

// tickets counts those that a client gets.
type tickets int

func (n *tickets) Get(string) (*tls.ClientSessionState, bool) { return nil, false }
func (n *tickets) Put(string, *tls.ClientSessionState)        { *n++ }

const fipsEnv = "DISTCACHE_TEST_FIPS"

// TestTrap11FIPS runs a handshake with each setting of Go's FIPS 140-3 module.
func TestTrap11FIPS(t *testing.T) {
	if os.Getenv(fipsEnv) != "" {
		server, client := newSite(t).pair()
		mustWrite(t, client, []byte("approved"))
		expect(t, server, []byte("approved"))
		return
	}
	for _, setting := range []string{"on", "only"} {
		cmd := exec.Command(os.Args[0], "-test.run=^TestTrap11FIPS$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140="+setting, fipsEnv+"=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("fips140=%s: %v\n%s", setting, err, out)
		}
	}
}

// TestTrap12HelloInPieces: a ClientHello is larger than a packet, and comes byte by byte here.
func TestTrap12HelloInPieces(t *testing.T) {
	s := newSite(t)
	fd, conn := sockets(t)
	ours, theirs := net.Pipe()
	defer ours.Close()
	go func() { // what the client writes arrives in pieces
		b := make([]byte, 1)
		for {
			if _, err := theirs.Read(b); err != nil {
				return
			}
			if _, err := conn.Write(b); err != nil {
				return
			}
		}
	}()
	go func() { _, _ = io.Copy(theirs, conn) }()
	done := make(chan error, 1)
	go func() {
		_, err := Client(t.Context(), ours, s.client)
		done <- err
	}()
	h := s.queue().Begin(fd, nothing)
	s.turnUntil(h)
	session, err := h.Result()
	if err != nil {
		t.Fatal(err)
	}
	session.Close()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
}

// TestU19ClientTimesOut: the context of the attempt covers the handshake.
func TestU19ClientTimesOut(t *testing.T) {
	s := newSite(t)
	_, conn := sockets(t) // nobody answers
	why := errors.New("the attempt took too long")
	ctx, cancel := context.WithTimeoutCause(t.Context(), 20*time.Millisecond, why)
	defer cancel()
	if _, err := Client(ctx, conn, s.client); err != why {
		t.Errorf("got %v, want %v", err, why)
	}
}
