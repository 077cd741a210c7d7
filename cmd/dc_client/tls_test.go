package main

import (
	"bytes"
	"crypto/x509"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// secured is a dc_server with a TLS address, and the CA of its site.
type secured struct {
	t      *testing.T
	ca     *kit.CA
	server *kit.Process
	at     kit.Endpoint
}

// startSecured runs a dc_server that clients must know as cache.
func startSecured(t *testing.T, args ...string) *secured {
	t.Helper()
	ca := kit.NewCA(t, "test CA")
	s := &secured{t: t, ca: ca}
	s.serve(ca.Issue("cache"), "127.0.0.1:0", args...)
	return s
}

// serve starts the dc_server with this certificate.
func (s *secured) serve(pair kit.Pair, at string, args ...string) {
	s.t.Helper()
	s.server = kit.NewRig(s.t).Start("dc_server", append(append([]string{"-listen", "TLS:" + at}, pair.Flags(s.ca)...), args...)...)
	s.at = s.server.Listens()
}

// client starts a dc_client as host1.
func (s *secured) client(flags ...string) (*kit.Process, kit.Endpoint) {
	s.t.Helper()
	return startTLS(s.t, s.at, append(s.ca.Issue("host1").Flags(s.ca), append([]string{"-tlsname", "cache"}, flags...)...)...)
}

// startTLS runs dc_client in front of the TLS address there.
func startTLS(t *testing.T, server kit.Endpoint, flags ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	process := kit.NewRig(t).Start(program, append([]string{"-listen", at.String(), "-server", "TLS:" + server.Address, "-timeout", "10000"}, flags...)...)
	return process, at
}

// TestTLS: sessions pass over TLS, and a line names address and certificate.
func TestTLS(t *testing.T) {
	t.Parallel()
	s := startSecured(t)
	process, at := s.client("-loops", "2")
	process.WaitStderr(patience, "connected to dc_server server=TLS:"+s.at.Address+" address="+s.at.Address+" certificate=cache")
	client := kit.Dial(t, at)
	client.AwaitStatus(kit.Have(1, "id"), codec.StatusNotOK)
	data := strings.Repeat("a secret ", 3000)
	client.ExpectStatus(kit.Add(2, "id", data, time.Hour), codec.StatusOK)
	client.Send(kit.Get(3, "id"))
	client.Expect(kit.Hit(3, data))
	if code := process.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
}

// TestU18TLSRefusals: what is wrong with either certificate is said with the address, clients are
// answered at once meanwhile, and dc_server logs its part.
func TestU18TLSRefusals(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		start func(t *testing.T) (*kit.Process, kit.Endpoint, *secured)
		want  string
	}{
		{"a server of another CA", func(t *testing.T) (*kit.Process, kit.Endpoint, *secured) {
			s := startSecured(t)
			other := kit.NewCA(t, "another CA")
			process, at := startTLS(t, s.at, append(s.ca.Issue("host1").Flags(other), "-tlsname", "cache")...)
			return process, at, s
		}, `certificate \"cache\" is not signed by a CA of -tlsca`},
		{"another name", func(t *testing.T) (*kit.Process, kit.Endpoint, *secured) {
			s := startSecured(t)
			process, at := startTLS(t, s.at, append(s.ca.Issue("host1").Flags(s.ca), "-tlsname", "other")...)
			return process, at, s
		}, `certificate \"cache\" is not for the name \"other\"`},
		{"a revoked server", func(t *testing.T) (*kit.Process, kit.Endpoint, *secured) {
			s := &secured{t: t, ca: kit.NewCA(t, "test CA")}
			pair := s.ca.Issue("cache")
			s.serve(pair, "127.0.0.1:0")
			process, at := s.client("-tlscrl", kit.WriteFile(t, "crl.pem", s.ca.Revoke(pair), 0o644))
			return process, at, s
		}, `certificate \"cache\" is revoked (-tlscrl)`},
		{"a client of another CA", func(t *testing.T) (*kit.Process, kit.Endpoint, *secured) {
			s := startSecured(t)
			process, at := startTLS(t, s.at, append(kit.NewCA(t, "another CA").Issue("host1").Flags(s.ca), "-tlsname", "cache")...)
			return process, at, s
		}, `the server refuses the certificate of this side`},
		{"an expired client", func(t *testing.T) (*kit.Process, kit.Endpoint, *secured) {
			s := startSecured(t)
			old := s.ca.Issue("host1", func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) })
			process, at := startTLS(t, s.at, append(old.Flags(s.ca), "-tlsname", "cache")...)
			return process, at, s
		}, `the server refuses the certificate of this side`},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			process, at, s := row.start(t)
			process.WaitStderr(patience, "no connection to dc_server server=TLS:"+s.at.Address+" address="+s.at.Address+` reason="`+row.want)
			client := kit.Dial(t, at)
			for range 5 {
				client.ExpectStatus(kit.Have(1, "id"), codec.StatusDisconnected)
			}
			s.server.WaitStderr(patience, "TLS client refused")
			if text := process.Stderr(); strings.Contains(text, "connected to dc_server server") {
				t.Errorf("got %s, want no connection that counts as one", text)
			}
		})
	}
}

// TestTLSToPlainServer, and the reverse: each says what to look at.
func TestTLSToPlainServer(t *testing.T) {
	t.Parallel()
	s := startSecured(t, "-listen", "IP:127.0.0.1:0")
	_, plain, _ := strings.Cut(s.server.Stderr(), " listen=IP:")
	plain, _, _ = strings.Cut(plain, " ")
	over, _ := startTLS(t, kit.Endpoint{Network: "tcp", Address: plain}, append(s.ca.Issue("host1").Flags(s.ca), "-tlsname", "cache")...)
	over.WaitStderr(patience, "does that port speak TLS?")
	under, _ := start(t, s.at)
	under.WaitStderr(patience, "does that port speak TLS?")
}

// TestU22TLSReload: SIGHUP reads the certificates anew. The connection stays, and the next handshake
// uses the new ones. A broken set changes nothing, and is named.
func TestU22TLSReload(t *testing.T) {
	t.Parallel()
	s := startSecured(t, "-tlsallow", "renewed,host1")
	flags := s.ca.Issue("host1").Flags(s.ca)
	process, at := startTLS(t, s.at, append(flags, "-tlsname", "cache", "-retry", "100")...)
	process.WaitStderr(patience, "connected to dc_server")
	client := kit.Dial(t, at)
	cert, key := flags[1], flags[3]
	replace := func(path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good, err := os.ReadFile(cert)
	if err != nil {
		t.Fatal(err)
	}
	renewed := s.ca.Issue("renewed")
	replace(cert, renewed.Cert) // and not yet its key
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "the old TLS certificates stay in force reason=\"-tlskey "+key)
	replace(cert, bytes.ToUpper(good))
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "-tlscert "+cert)
	client.ExpectStatus(kit.Have(1, "id"), codec.StatusNotOK)

	replace(cert, renewed.Cert)
	replace(key, renewed.Key)
	process.Signal(syscall.SIGHUP)
	process.WaitStderr(patience, "TLS certificates read again certificate=renewed")
	client.ExpectStatus(kit.Have(2, "id"), codec.StatusNotOK)
	if strings.Contains(process.Stderr(), "lost dc_server") {
		t.Errorf("got %s, want the connection to stay", process.Stderr())
	}

	s.server.Stop()
	process.WaitStderr(patience, "lost dc_server")
	s.serve(s.ca.Issue("cache"), s.at.Address, "-tlsallow", "renewed") // the old one may not connect any more
	client.AwaitStatus(kit.Have(3, "id"), codec.StatusNotOK)
}

// TestTLSNewCA: the CA is replaced under load in the three steps of docs/TLS.md, and no request fails. In the end only
// certificates of the new one are good.
func TestTLSNewCA(t *testing.T) {
	t.Parallel()
	oldCA, newCA := kit.NewCA(t, "old CA"), kit.NewCA(t, "new CA")
	server, host := oldCA.Issue("cache").Flags(oldCA), oldCA.Issue("host1").Flags(oldCA)
	daemon := kit.NewRig(t).Start("dc_server", append(server, "-listen", "TLS:127.0.0.1:0")...)
	start := func(flags []string) (*kit.Process, kit.Endpoint) {
		t.Helper()
		return startTLS(t, daemon.Listens(), append(slices.Clone(flags), "-tlsname", "cache")...)
	}
	process, at := start(host)
	process.WaitStderr(patience, "connected to dc_server")
	load := kit.StartLoad(t, at, 5, 5*time.Millisecond)
	replace := func(flag int, forServer, forHost []byte) {
		t.Helper()
		for path, content := range map[string][]byte{server[flag]: forServer, host[flag]: forHost} {
			if err := os.WriteFile(path, content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	reload := func(step string) {
		t.Helper()
		for _, p := range []*kit.Process{daemon, process} {
			read := strings.Count(p.Stderr(), "TLS certificates read again")
			p.Signal(syscall.SIGHUP)
			p.Wait(patience, step, func() bool { return strings.Count(p.Stderr(), "TLS certificates read again") > read })
		}
		fresh, _ := start(host)
		fresh.WaitStderr(patience, "connected to dc_server")
	}
	const cert, key, ca = 1, 3, 5
	oldHost := oldCA.Issue("host1")
	replace(ca, slices.Concat(oldCA.PEM, newCA.PEM), slices.Concat(oldCA.PEM, newCA.PEM))
	reload("both CAs")
	newServer, newHost := newCA.Issue("cache"), newCA.Issue("host1")
	replace(cert, newServer.Cert, newHost.Cert)
	replace(key, newServer.Key, newHost.Key)
	reload("new certificates")
	replace(ca, newCA.PEM, newCA.PEM)
	reload("the new CA alone")
	for _, o := range load.Stop() {
		if !o.Served {
			t.Fatal("got a request without service, want none")
		}
	}
	refused, _ := start(oldHost.Flags(newCA))
	refused.WaitStderr(patience, "the server refuses the certificate of this side")
}

// TestTLSLeavesARevokedServer: a dc_server that -tlscrl names after a SIGHUP is left, and stays so.
func TestTLSLeavesARevokedServer(t *testing.T) {
	t.Parallel()
	s := &secured{t: t, ca: kit.NewCA(t, "test CA")}
	pair := s.ca.Issue("cache")
	s.serve(pair, "127.0.0.1:0")
	list := kit.WriteFile(t, "crl.pem", s.ca.Revoke(), 0o644)
	process, at := s.client("-tlscrl", list, "-retry", "100")
	process.WaitStderr(patience, "connected to dc_server")
	if err := os.WriteFile(list, s.ca.Revoke(pair), 0o644); err != nil {
		t.Fatal(err)
	}
	process.Signal(syscall.SIGHUP)
	const why = `reason="certificate \"cache\" is revoked (-tlscrl)`
	process.WaitStderr(patience, "lost dc_server server=TLS:"+s.at.Address+" address="+s.at.Address+" "+why)
	process.WaitStderr(patience, "no connection to dc_server server=TLS:"+s.at.Address+" address="+s.at.Address+" "+why)
	kit.Dial(t, at).ExpectStatus(kit.Have(1, "id"), codec.StatusDisconnected)
}

// tap passes connections on to a server, and keeps what passes.
type tap struct {
	at   kit.Endpoint
	mu   sync.Mutex
	seen bytes.Buffer
}

// Write keeps b.
func (p *tap) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen.Write(b)
}

// newTap starts a tap, until the test ends.
func newTap(t *testing.T, to kit.Endpoint) *tap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &tap{at: kit.Endpoint{Network: "tcp", Address: l.Addr().String()}}
	var running sync.WaitGroup
	pass := func(from, to net.Conn) {
		defer to.Close()
		_, _ = io.Copy(io.MultiWriter(to, p), from)
	}
	running.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial(to.Network, to.Address)
			if err != nil {
				_ = near.Close()
				continue
			}
			running.Go(func() { pass(near, far) })
			running.Go(func() { pass(far, near) })
		}
	})
	t.Cleanup(func() { // the daemons have ended
		_ = l.Close()
		running.Wait()
	})
	return p
}

// TestTLSWire: nothing of a session is to be read between the two hosts, nor of the probe.
func TestTLSWire(t *testing.T) {
	t.Parallel()
	s := &secured{t: t, ca: kit.NewCA(t, "test CA")}
	var wire *tap
	t.Run("sessions", func(t *testing.T) {
		s.t = t
		t.Cleanup(func() { s.t = nil })
		s.serve(s.ca.Issue("cache"), "127.0.0.1:0")
		wire = newTap(t, s.at)
		s.at = wire.at
		_, at := s.client()
		client := kit.Dial(t, at)
		client.AwaitStatus(kit.Have(1, "a session's ID"), codec.StatusNotOK)
		client.ExpectStatus(kit.Add(2, "a session's ID", "a session's secret", time.Hour), codec.StatusOK)
		client.Send(kit.Get(3, "a session's ID"))
		client.Expect(kit.Hit(3, "a session's secret"))
	})
	for _, text := range []string{"a session's ID", "a session's secret", codec.ProbeMark} {
		if bytes.Contains(wire.seen.Bytes(), []byte(text)) {
			t.Errorf("got %q on the wire, want nothing of it", text)
		}
	}
	if wire.seen.Len() < 1000 {
		t.Errorf("got %d bytes on the wire, want a handshake and more", wire.seen.Len())
	}
}
