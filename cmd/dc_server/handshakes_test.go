package main

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestHandshakesDelayNobody: 1,000 ClientHellos at once keep a client on another connection waiting for 10 ms at most.
// All of them are answered.
func TestHandshakesDelayNobody(t *testing.T) {
	jitter := kit.MeasureJitter(t)
	many := kit.Sized(50, 1000)
	at := kit.Unix(t)
	s := startSecure(t, "-listen", at.String())
	hello := s.hello()
	all := make([]net.Conn, many)
	for i := range all {
		conn, err := net.Dial("tcp", s.at.Address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		_ = conn.SetDeadline(time.Now().Add(patience))
		all[i] = conn
	}
	var worst time.Duration
	var done atomic.Bool
	answered, between := 0, 0 // ClientHellos, and requests of the other client meanwhile
	asked := make(chan struct{})
	client := kit.Dial(t, at)
	go func() {
		defer done.Store(true)
		<-asked
		for _, conn := range all {
			_, _ = conn.Write(hello)
		}
		for _, conn := range all {
			if _, err := io.ReadFull(conn, make([]byte, 100)); err == nil {
				answered++
			}
		}
	}()
	for n := uint32(1); !done.Load(); n++ {
		begin := time.Now()
		client.ExpectStatus(kit.Have(n, "nobody's"), codec.StatusNotOK)
		worst = max(worst, time.Since(begin))
		if n == 10 {
			worst, between = 0, 0
			close(asked)
		}
		between++
	}
	t.Logf("the slowest of %d answers during %d handshakes took %v; %d were answered", between, many, worst, answered)
	jitter.MustTake(t, "the slowest answer", worst, 0, 10*time.Millisecond)
	if between < many/10 {
		kit.TooSlow(t, "got %d answers during %d handshakes, want one in a few of these at least", between, many)
	}
	if answered < many/10 { // the time for handshakes may have ended for some
		t.Errorf("got %d ClientHellos answered, want all %d", answered, many)
	}
}

// hello is the first message of a client.
func (s *secure) hello() []byte {
	ours, theirs := net.Pipe()
	go func() { _ = tls.Client(theirs, s.client).Handshake() }()
	b := make([]byte, 8<<10)
	n, err := ours.Read(b)
	_ = ours.Close()
	if err != nil {
		s.t.Fatal(err)
	}
	return b[:n]
}

// TestU19TLSStalled: clients that stall in the handshake are closed after 2 s, with a line; others are served meanwhile.
func TestU19TLSStalled(t *testing.T) {
	t.Parallel()
	s := startSecure(t)
	hello := s.hello()
	for _, sent := range [][]byte{hello[:100], hello} {
		conn, err := net.Dial("tcp", s.at.Address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
	}
	s.mustServe()
	s.process.WaitStderr(patience, `reason="the client did not finish the TLS handshake in time (2s)"`)
	s.mustServe()
}

// TestF02BoundCountsTLS: the bound of the memory has what TLS clients take.
func TestF02BoundCountsTLS(t *testing.T) {
	t.Parallel()
	ca := kit.NewCA(t, "test CA")
	for _, row := range []struct{ maxClients, want string }{
		{"100", " + 100 of them over TLS x 65536 B + "}, {"5000", " + 2048 of them over TLS x 65536 B + "},
	} {
		check := kit.NewRig(t).Run(program, append(ca.Issue("cache").Flags(ca), "-check", "-listen", "TLS:0", "-maxclients", row.maxClients)...)
		if code := check.Exit(patience); code != 0 || !strings.Contains(check.Stdout(), row.want) {
			t.Errorf("got exit code %d and %s, want 0 and %q", code, check.Stdout(), row.want)
		}
	}
}

// TestK05TLSFiles: bad files refuse the start and fail the check; certificates that peers will refuse are warnings.
func TestK05TLSFiles(t *testing.T) {
	t.Parallel()
	ca := kit.NewCA(t, "test CA")
	open := ca.Issue("cache").Flags(ca)
	if err := os.Chmod(open[3], 0o644); err != nil {
		t.Fatal(err)
	}
	const want = ": other users have access to the file: chmod 600 (its mode is 644)"
	for _, row := range []struct {
		args []string
		code int
	}{{[]string{"-check"}, 2}, {nil, 1}} {
		p := kit.NewRig(t).Run(program, append(append([]string{"-listen", "TLS:127.0.0.1:0"}, open...), row.args...)...)
		if code := p.Exit(patience); code != row.code || !strings.Contains(p.Stderr(), "-tlskey "+open[3]+want) {
			t.Errorf("%q: got exit code %d and %s, want %d and %q", row.args, code, p.Stderr(), row.code, want)
		}
	}
	expired := ca.Issue("cache", expiredCertificate).Flags(ca)
	p := kit.NewRig(t).Run(program, append([]string{"-check", "-listen", "TLS:127.0.0.1:0"}, expired...)...)
	if code := p.Exit(patience); code != 0 || !strings.Contains(p.Stderr(), "dc_server: warning: -tlscert "+expired[1]+`: certificate "cache" expired on `) {
		t.Errorf("got exit code %d and %s, want 0 and a warning", code, p.Stderr())
	}
}

// TestTLSReloadAsUser: after -user the key of another user cannot be read again; the old one stays, and the log says so.
func TestTLSReloadAsUser(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("only root can change the user")
	}
	s := startSecure(t, "-user", "nobody")
	s.mustServe()
	s.process.Signal(unix.SIGHUP)
	s.process.WaitStderr(patience, "the old TLS certificates stay in force")
	s.process.WaitStderr(patience, "permission denied")
	s.mustServe()
}
