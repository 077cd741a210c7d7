package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// secure is a dc_server with a TLS address, and what its clients need.
type secure struct {
	t       *testing.T
	process *kit.Process
	at      kit.Endpoint
	ca      *kit.CA
	client  *tls.Config
	files   map[string]string // by flag
}

// startSecure runs dc_server on a TLS address, until the test ends.
func startSecure(t *testing.T, args ...string) *secure {
	t.Helper()
	ca := kit.NewCA(t, "test CA")
	files := ca.Issue("cache").Flags(ca)
	process := kit.NewRig(t).Start(program, append(append([]string{"-listen", "TLS:127.0.0.1:0"}, files...), args...)...)
	s := &secure{t: t, process: process, at: process.Listens(), ca: ca, files: map[string]string{}}
	for i := 0; i < len(files); i += 2 {
		s.files[files[i]] = files[i+1]
	}
	s.client = &tls.Config{RootCAs: ca.Pool(), ServerName: "cache"}
	s.as(ca.Issue("host1"))
	return s
}

// as makes the client use this certificate, whether the server names its CA or not.
func (s *secure) as(p kit.Pair) {
	s.client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &p.TLS, nil }
}

// dial connects, and makes the handshake.
func (s *secure) dial() (*tls.Conn, error) {
	raw, err := net.Dial("tcp", s.at.Address)
	if err != nil {
		return nil, err
	}
	s.t.Cleanup(func() { _ = raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(patience))
	conn := tls.Client(raw, s.client)
	return conn, conn.Handshake()
}

// ask sends a request and reads the status.
func ask(conn net.Conn, request []byte) (codec.Status, error) {
	if _, err := conn.Write(request); err != nil {
		return 0, err
	}
	answers, b := codec.NewAssembler(codec.Response), []byte(nil)
	for piece := make([]byte, 4096); ; {
		n, err := conn.Read(piece)
		if err != nil {
			return 0, err
		}
		b = append(b, piece[:n]...)
		if m, err := answers.Next(b); err != codec.ErrShort {
			if err != nil {
				return 0, err
			}
			return codec.ParseStatus(m)
		}
	}
}

// mustServe holds that a new client is served.
func (s *secure) mustServe() *tls.Conn {
	s.t.Helper()
	conn, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	if status, err := ask(conn, kit.Have(1, "nobody's")); status != codec.StatusNotOK || err != nil {
		s.t.Fatalf("got %v, %v, want NOTOK", status, err)
	}
	return conn
}

// mustRefuse holds that new clients are refused, and that dc_server says why: of one in a second.
func (s *secure) mustRefuse(why string) {
	s.t.Helper()
	s.process.Wait(patience, why, func() bool {
		conn, err := s.dial()
		if err == nil { // the refusal comes with the first bytes
			_, err = conn.Read(make([]byte, 1))
		}
		if err == nil || err == io.EOF {
			s.t.Errorf("got %v, want an alert", err)
		}
		return strings.Contains(s.process.Stderr(), why)
	})
}

func expiredCertificate(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }

// TestTLSBesideOthers: TLS, TCP and a unix socket in one process, which share the sessions.
func TestTLSBesideOthers(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	s := startSecure(t, "-listen", at.String())
	conn := s.mustServe()
	if status, err := ask(conn, kit.Add(2, "shared", "data", time.Hour)); status != codec.StatusOK || err != nil {
		t.Fatalf("got %v, %v, want OK", status, err)
	}
	kit.Dial(t, at).ExpectStatus(kit.Have(3, "shared"), codec.StatusOK)
	if code := s.process.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if _, err := conn.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("at the end: got %v, want a close_notify", err)
	}
}

// TestTLSHints: a plain client at a TLS address, and the reverse.
func TestTLSHints(t *testing.T) {
	t.Parallel()
	s := startSecure(t, "-listen", "IP:127.0.0.1:0")
	conn, err := net.Dial("tcp", s.at.Address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write(kit.Have(1, "id")); err != nil {
		t.Fatal(err)
	}
	s.process.WaitStderr(patience, fmt.Sprintf("TLS client refused client=%v reason=\"the client does not speak TLS: "+
		"it must use a TLS: address for this server", conn.LocalAddr()))
	_, plain, _ := strings.Cut(s.process.Stderr(), " listen=IP:")
	plain, _, _ = strings.Cut(plain, " ")
	s.at.Address = plain
	if _, err := s.dial(); err == nil {
		t.Error("TLS at a plain address: got no error")
	}
	s.process.WaitStderr(patience, "the client speaks TLS, and this address does not")
}

// TestU18TLSRefusals: -tlsallow and -tlscrl, and the other reasons in a sentence with the address.
func TestU18TLSRefusals(t *testing.T) {
	t.Parallel()
	s := startSecure(t, "-tlsallow", "host1,*.example.net")
	s.mustServe()
	s.as(s.ca.Issue("a.example.net"))
	s.mustServe()
	for _, row := range []struct {
		pair kit.Pair
		want string
	}{
		{s.ca.Issue("host2"), `certificate \"host2\" matches no name of -tlsallow`},
		{kit.NewCA(t, "other CA").Issue("host1"), `certificate \"host1\" is not signed by a CA of -tlsca`},
		{s.ca.Issue("host1", expiredCertificate), `certificate \"host1\" expired on `},
	} {
		s.as(row.pair)
		s.mustRefuse(row.want)
	}
	s.process.Stop()
	s.process.WaitStderr(patience, "TLS clients refused since the start refused=")
}

// TestU22TLSReload: a SIGHUP reads the files again. Connections stay, and broken files change nothing.
func TestU22TLSReload(t *testing.T) {
	t.Parallel()
	s := startSecure(t)
	conn := s.mustServe()
	renewed := s.ca.Issue("cache2")
	write := func(flag string, content []byte) {
		t.Helper()
		if err := os.WriteFile(s.files[flag], content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("-tlscert", []byte("garbled"))
	s.process.Signal(unix.SIGHUP)
	s.process.WaitStderr(patience, "the old TLS certificates stay in force reason=\"-tlscert ")
	s.mustServe()
	if err := os.Remove(s.files["-tlscert"]); err != nil {
		t.Fatal(err)
	}
	s.process.Signal(unix.SIGHUP)
	s.process.WaitStderr(patience, "no such file or directory")
	s.mustServe()

	write("-tlscert", renewed.Cert)
	write("-tlskey", renewed.Key)
	s.process.Signal(unix.SIGHUP)
	s.process.WaitStderr(patience, "certificate=cache2")
	if _, err := s.dial(); err == nil || !strings.Contains(err.Error(), "cache2") {
		t.Errorf("with the old name: got %v, want that the certificate is for cache2", err)
	}
	s.client.ServerName = "cache2"
	s.mustServe()
	if status, err := ask(conn, kit.Have(9, "nobody's")); status != codec.StatusNotOK || err != nil {
		t.Errorf("the connection from before: got %v, %v, want NOTOK", status, err)
	}
}

// TestTLSRevokedByReload: a host is taken off with a list, and another one stays.
func TestTLSRevokedByReload(t *testing.T) {
	t.Parallel()
	ca := kit.NewCA(t, "test CA")
	list := kit.WriteFile(t, "crl.pem", ca.Revoke(), 0o644)
	process := kit.NewRig(t).Start(program, append(ca.Issue("cache").Flags(ca), "-listen", "TLS:127.0.0.1:0", "-tlscrl", list)...)
	host1, host2 := ca.Issue("host1"), ca.Issue("host2")
	s := &secure{t: t, process: process, at: process.Listens(),
		client: &tls.Config{RootCAs: ca.Pool(), ServerName: "cache"}}
	s.as(host1)
	s.mustServe()
	if err := os.WriteFile(list, ca.Revoke(host1), 0o644); err != nil {
		t.Fatal(err)
	}
	process.Signal(unix.SIGHUP)
	process.WaitStderr(patience, "TLS certificates read again")
	s.mustRefuse(`certificate \"host1\" is revoked (-tlscrl)`)
	s.as(host2)
	s.mustServe()
}

// TestTLSRereadOfConfig: a SIGHUP takes other files and names from the file of -config, all or none, and closes the clients
// that -tlsallow does not name any more. What needs a restart is named.
func TestTLSRereadOfConfig(t *testing.T) {
	t.Parallel()
	ca := kit.NewCA(t, "test CA")
	config := filepath.Join(t.TempDir(), "s.conf")
	write := func(pair kit.Pair, more string) {
		t.Helper()
		var b strings.Builder
		for i, files := 0, pair.Flags(ca); i < len(files); i += 2 {
			fmt.Fprintf(&b, "%s %s\n", files[i][1:], files[i+1])
		}
		if err := os.WriteFile(config, []byte(b.String()+more), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(ca.Issue("cache"), "listen TLS:127.0.0.1:0\n")
	process := kit.NewRig(t).Start(program, "-config", config)
	s := &secure{t: t, process: process, at: process.Listens(), client: &tls.Config{RootCAs: ca.Pool(), ServerName: "cache"}}
	s.as(ca.Issue("host1"))
	before := s.mustServe()

	write(ca.Issue("cache2"), "tlscrl /nowhere/crl.pem\nlisten TLS:127.0.0.1:0\n")
	process.Signal(unix.SIGHUP)
	process.WaitStderr(patience, "SIGHUP: the old TLS certificates stay in force reason=\"-tlscrl /nowhere/crl.pem: no such file")
	process.WaitStderr(patience, "SIGHUP: read "+config+" again\n")
	s.mustServe()

	write(ca.Issue("cache2"), "tlsallow host2\nlisten TLS:127.0.0.1:0\nsessions 64\n")
	process.Signal(unix.SIGHUP)
	process.WaitStderr(patience, `again changed="-tlscert, -tlskey, -tlsca, -tlsallow"`+"\n")
	process.WaitStderr(patience, "SIGHUP: changed flags need a restart flags=-sessions\n")
	process.WaitStderr(patience, `TLS client closed`)
	if status, err := ask(before, kit.Have(9, "nobody's")); err == nil {
		t.Errorf("the client that is not named any more: got %v, want its connection closed", status)
	}
	s.client.ServerName = "cache2"
	s.as(ca.Issue("host2"))
	s.mustServe()
}
