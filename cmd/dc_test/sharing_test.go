package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// site makes TLS servers with one CA.
type site struct {
	t  *testing.T
	ca *kit.CA
}

// keys are those of tickets.
func keys(n byte) [][32]byte { return [][32]byte{{n}} }

// serve runs a TLS server with these keys of tickets, and gives its address.
func (s site) serve(keys [][32]byte, changes ...func(*tls.Config)) string {
	s.t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{s.ca.Issue("www").TLS}}
	for _, change := range changes {
		change(config)
	}
	config.SetSessionTicketKeys(keys)
	return accept(s.t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, tls.Server(conn, config)) })
}

// accept serves each connection to the address that it gives.
func accept(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() { serve(conn); _ = conn.Close() }()
		}
	}()
	return listener.Addr().String()
}

// patient is tool with time for a busy machine.
func patient(args ...string) (code int, stdout, stderr string) {
	return tool(append(args, "-wait", "60000")...)
}

// row matches a line of the table.
func row(method, from, to, result, why string) string {
	return fmt.Sprintf(`(?m)^%s +%s +%s +%s +([\d.]+|-) +([\d.]+|-) +.*%s.*$`, regexp.QuoteMeta(method), from, to, result, why)
}

// mustShow holds that the table has such lines.
func mustShow(t *testing.T, stdout string, rows ...string) {
	t.Helper()
	for _, want := range rows {
		if !regexp.MustCompile(want).MatchString(stdout) {
			t.Errorf("got\n%s\nwant a line that matches %s", stdout, want)
		}
	}
}

func maxVersion(version uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MaxVersion = version }
}

func minVersion(version uint16) func(*tls.Config) {
	return func(c *tls.Config) { c.MinVersion = version }
}

// TestSharedTickets: hosts with the same keys resume each other's tickets, there and back again.
func TestSharedTickets(t *testing.T) {
	s := site{t, kit.NewCA(t, "test CA")}
	a, b := s.serve(keys(1)), s.serve(keys(1))
	code, stdout, stderr := patient("-tls", a+","+b, "-servername", "www", "-tlsca", s.ca.File())
	if code != 0 || stderr != "" {
		t.Errorf("got exit code %d and %q, want 0 and silence", code, stderr)
	}
	mustShow(t, stdout, row("TLS 1.2, ticket", a, b, "resumed", `ticket of \d+ bytes`), row("TLS 1.2, ticket", b, a, "resumed", ""),
		row("TLS 1.3", a, b, "resumed", `ticket of \d+ bytes`), row("TLS 1.3", b, a, "resumed", ""),
		`(?m)^resumed across hosts: TLS 1\.2, ticket; TLS 1\.3$`, `all certificates are good`)
}

// TestNotShared: why not, where it shows, and exit code 1.
func TestNotShared(t *testing.T) {
	s := site{t, kit.NewCA(t, "test CA")}
	off := func(c *tls.Config) { c.SessionTicketsDisabled = true }
	aesOnly := func(suite uint16) func(*tls.Config) {
		return func(c *tls.Config) { c.CipherSuites, c.MaxVersion = []uint16{suite}, tls.VersionTLS12 }
	}
	other := kit.NewCA(t, "other CA").Issue("www").TLS
	for name, r := range map[string]struct {
		first, second []func(*tls.Config)
		keys          [2]byte
		rows          func(a, b string) []string
	}{
		"other keys": {nil, []func(*tls.Config){func(c *tls.Config) { c.Certificates = []tls.Certificate{other} }}, [2]byte{1, 2}, func(a, b string) []string {
			const why = `its certificate is another one.*it resumes its own sessions: the two share neither cache nor ticket keys`
			return []string{row("TLS 1.2, ticket", a, b, "not resumed", why), row("TLS 1.3", a, b, "not resumed", why), row("TLS 1.3", b, a, "not resumed", why)}
		}},
		"no tickets": {[]func(*tls.Config){off}, []func(*tls.Config){off}, [2]byte{1, 1}, func(a, b string) []string {
			return []string{row("TLS 1.2, ticket", a, b, "no session", a+" sent no ticket"), row("TLS 1.3", b, a, "no session", b+" sent no ticket")}
		}},
		"tickets of one": {nil, []func(*tls.Config){off}, [2]byte{1, 1}, func(a, b string) []string {
			return []string{row("TLS 1.3", a, b, "not resumed", "it gives no session of its own either"), row("TLS 1.3", b, a, "no session", b+" sent no ticket")}
		}},
		"certificates of clients": {[]func(*tls.Config){func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert }}, nil, [2]byte{1, 1}, func(a, b string) []string {
			return []string{row("TLS 1.2, ticket", "-", a, "no", "remote error"), row("TLS 1.3", a, b, "no session", "sent no ticket: remote error: tls: certificate required")}
		}},
		"other versions": {[]func(*tls.Config){maxVersion(tls.VersionTLS12)}, []func(*tls.Config){minVersion(tls.VersionTLS13)}, [2]byte{1, 1},
			func(a, b string) []string {
				return []string{row("TLS 1.2, ticket", "-", b, "no", "protocol version"), row("TLS 1.3", "-", a, "no", "protocol version")}
			}},
		"other cipher suites": {[]func(*tls.Config){aesOnly(tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)},
			[]func(*tls.Config){aesOnly(tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384)}, [2]byte{1, 1}, func(a, b string) []string {
				return []string{row("TLS 1.2, ticket", a, b, "not resumed", "it chose TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, and the session has TLS_ECDHE_ECDSA_WITH_AES_128")}
			}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a, b := s.serve(keys(r.keys[0]), r.first...), s.serve(keys(r.keys[1]), r.second...)
			code, stdout, stderr := patient("-tls", a+","+b)
			if code != 1 || stderr != "dc_test: no session is resumed across hosts\n" {
				t.Errorf("got exit code %d and %q, want 1 and why", code, stderr)
			}
			mustShow(t, stdout, append(r.rows(a, b), "(?m)^certificates were not checked: -tlsca")...)
		})
	}
}

// TestSharedByThree: each next host is offered the session, and those that cannot take part are left out.
func TestSharedByThree(t *testing.T) {
	s := site{t, kit.NewCA(t, "test CA")}
	a, b, c := s.serve(keys(1)), s.serve(keys(2), maxVersion(tls.VersionTLS12)), s.serve(keys(1))
	code, stdout, _ := patient("-tls", a+","+b+","+c)
	if code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	mustShow(t, stdout, row("TLS 1.3", "-", b, "no", ""), row("TLS 1.3", a, c, "resumed", ""), row("TLS 1.3", c, a, "resumed", ""),
		row("TLS 1.2, ticket", a, b, "not resumed", ""), row("TLS 1.2, ticket", b, c, "not resumed", ""), row("TLS 1.2, ticket", c, a, "resumed", ""))
}

// startOpenSSL runs openssl s_server with further arguments, and gives its port.
func startOpenSSL(t *testing.T, pair kit.Pair, args ...string) string {
	t.Helper()
	program, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("openssl is not there")
	}
	server := exec.Command(program, append([]string{"s_server", "-accept", "0", "-cert", kit.WriteFile(t, "cert.pem", pair.Cert, 0o644),
		"-key", kit.WriteFile(t, "key.pem", pair.Key, 0o600)}, args...)...)
	out, err := server.StdoutPipe()
	if err == nil {
		_, err = server.StdinPipe() // it ends connections when its input ends
	}
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Process.Kill(); _ = server.Wait() })
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if at, found := strings.CutPrefix(lines.Text(), "ACCEPT "); found {
			go func() { _, _ = io.Copy(io.Discard, out) }()
			return at[strings.LastIndex(at, ":")+1:]
		}
	}
	t.Skip("this openssl does not tell its port")
	return ""
}

// TestSharedIDs: openssl s_client offers session IDs of TLS 1.2. One server with two addresses shares its cache with itself,
// and two servers share none.
func TestSharedIDs(t *testing.T) {
	s := site{t, kit.NewCA(t, "test CA")}
	port := startOpenSSL(t, s.ca.Issue("www"), "-tls1_2", "-no_ticket")
	a, b := "127.0.0.1:"+port, "127.0.0.2:"+port
	code, stdout, stderr := patient("-tls", a+","+b, "-servername", "www")
	if code != 0 || stderr != "" {
		t.Errorf("got exit code %d and %q, want 0 and silence", code, stderr)
	}
	mustShow(t, stdout, `(?m)^TLS 1\.2, session ID +`+a+` +`+b+` +resumed +[\d.]+ +[\d.]+ *$`, row("TLS 1.2, session ID", a, a, "resumed", ""),
		row("TLS 1.2, ticket", a, b, "no session", a+" sent no ticket"), `(?m)^resumed across hosts: TLS 1\.2, session ID$`)

	c := "127.0.0.1:" + startOpenSSL(t, s.ca.Issue("www"), "-no_ticket")
	if code, stdout, _ = patient("-tls", a+","+c, "-servername", "www"); code != 1 {
		t.Errorf("two caches: got exit code %d, want 1", code)
	}
	mustShow(t, stdout, row("TLS 1.2, session ID", a, c, "not resumed", "it resumes its own sessions: the two share neither cache nor ticket keys"))
	d, e := s.serve(keys(1)), s.serve(keys(1))
	_, stdout, _ = patient("-tls", d+","+e)
	mustShow(t, stdout, row("TLS 1.2, session ID", d, e, "no session", d+" gave no session ID"))
}

// TestSharedWithoutOpenSSL: what cannot be tried is said.
func TestSharedWithoutOpenSSL(t *testing.T) {
	s := site{t, kit.NewCA(t, "test CA")}
	t.Setenv("PATH", t.TempDir())
	code, stdout, _ := patient("-tls", s.serve(keys(1))+","+s.serve(keys(1)))
	if code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	mustShow(t, stdout, row("TLS 1.2, session ID", "-", "-", "cannot tell", "there is no openssl on the PATH"), `(?m)^not tried: TLS 1\.2, session ID$`)
}

// TestSharedFails: a host that cannot be asked is named in one line on stderr, with exit code 1.
func TestSharedFails(t *testing.T) {
	s := site{t, kit.NewCA(t, "test CA")}
	good := s.serve(keys(1))
	closed := accept(t, func(net.Conn) {})
	hung := accept(t, func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) })
	plain := accept(t, func(conn net.Conn) { _, _ = io.WriteString(conn, "220 mail.example.net ESMTP\r\n") })
	other := s.serve(keys(1), func(c *tls.Config) {
		c.Certificates = []tls.Certificate{s.ca.Issue("other", func(c *x509.Certificate) { c.IPAddresses = nil }).TLS}
	})
	for name, r := range map[string]struct {
		at, want string
		args     []string
	}{
		"refused": {"127.0.0.1:1", "127.0.0.1:1: connect: connection refused", nil},
		"hung":    {hung, hung + ": connected, but the TLS handshake did not end in time (-wait)", []string{"-wait", "1000"}},
		"closed":  {closed, closed + ": the connection was closed in the handshake: does that port speak TLS?", nil},
		"plain":   {plain, plain + ": does that port speak TLS?", nil},
		"name":    {other, other + ": x509: certificate is valid for other, not www", []string{"-servername", "www", "-tlsca", s.ca.File()}},
		"no CA":   {good[:len(good)-1], "-tlsca /nowhere/ca: no such file or directory", []string{"-tlsca", "/nowhere/ca"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := tool(append(r.args, "-tls", good+","+r.at)...)
			if code != 1 || stdout != "" || !strings.HasPrefix(stderr, "dc_test: "+r.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("got exit code %d, %q and %q, want 1, nothing and one line with %q", code, stdout, stderr, r.want)
			}
		})
	}
}

func TestParseHosts(t *testing.T) {
	for text, want := range map[string]string{
		"a,b": "a:443 b:443", "a:1,[::1]:2,::1,[::2]": "a:1 [::1]:2 [::1]:443 [::2]:443",
		"a": "", "a,": "", "a:1,a:1": "", "a,a:443": "", "a b,c": "", "https://a,b": "", "a:,b": "", "a:0,b": "", "a:b:c,d": "",
	} {
		hosts, err := parseHosts(text)
		if got := strings.Join(hosts, " "); (err != nil) != (want == "") || got != want {
			t.Errorf("%q: got %q, %v, want %q", text, got, err, want)
		}
	}
}

func TestServerName(t *testing.T) {
	for host, want := range map[string]string{"www.example.net:443": "www.example.net", "192.0.2.1:443": "", "[::1]:443": "", "[fe80::1%eth0]:443": ""} {
		if got := serverName([]string{host, "other:443"}); got != want {
			t.Errorf("%s: got %q, want %q", host, got, want)
		}
	}
}
