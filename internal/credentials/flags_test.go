package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"distcache/internal/daemon/options"
	"distcache/internal/test/kit"
)

// TestK06Validate: TLS flags and TLS addresses need each other.
func TestK06Validate(t *testing.T) {
	all := []string{"-tlscert", "/c", "-tlskey", "/k", "-tlsca", "/a"}
	for _, row := range []struct {
		name           string
		args           []string
		secure, daemon bool
		want           string // "": it is right
	}{
		{"neither", nil, false, true, ""},
		{"both", all, true, true, ""},
		{"no flags", nil, true, false, "-listen: a TLS: address needs -tlscert, -tlskey and -tlsca, and -tlscert is missing"},
		{"no key", []string{"-tlscert", "/c", "-tlsca", "/a"}, true, false, "-tlskey is missing"},
		{"no CA", all[:4], true, false, "-tlsca is missing"},
		{"no address", all, false, false, "-tlscert: has no effect: -listen has no TLS: address"},
		{"list without address", []string{"-tlscrl", "/l"}, false, false, "-tlscrl: has no effect"},
		{"names without address", []string{"-tlsallow", "a"}, false, false, "-tlsallow: has no effect"},
		{"relative path", append([]string{"-tlscrl", "list"}, all...), true, false, ""},
		{"relative path with -daemon", append([]string{"-tlscrl", "list"}, all...), true, true, "-tlscrl: list is a relative path"},
		{"bad name", []string{"-tlsallow", "a,,b"}, false, false, `-tlsallow: "" in "a,,b" is not a valid name (* stands for any characters but a dot)`},
	} {
		t.Run(row.name, func(t *testing.T) {
			var f Flags
			s := options.New("test", "", "")
			f.DeclareServer(s)
			err := s.Parse(row.args)
			if err == nil {
				err = f.Validate("listen", row.secure, row.daemon)
			}
			if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want %q", err, row.want)
			}
		})
	}
}

func TestPatterns(t *testing.T) {
	ca := kit.NewCA(t, "test CA")
	leaf := ca.Issue("Host1.example.net", func(c *x509.Certificate) { c.Subject.CommonName = "terminator 1" }).Leaf
	for text, want := range map[string]bool{
		"host1.example.net": true, "HOST1.EXAMPLE.NET": true, "*.example.net": true, "host*.example.net": true,
		"a, *.example.net": true, "Terminator 1": true, "127.0.0.1": true, "::1": true, "*.*.net": true, "*": true,
		"host2.example.net": false, "*.net": false, "example.net": false, "*example.net": false, "host1": false, "127.*": false,
	} {
		p, err := ParsePatterns(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Allow(leaf); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
	if !Patterns(nil).Allow(leaf) {
		t.Error("without names: got false, want that all are allowed")
	}
	for _, text := range []string{"", ",", "a,", "a?", "[a]", `a\b`, "a/b"} {
		if p, err := ParsePatterns(text); err == nil {
			t.Errorf("%q: got %q, want an error", text, p)
		}
	}
}

// meet makes a handshake between both, and gives what each says.
func meet(server, client *Credentials) (serverErr, clientErr error) {
	a, b := net.Pipe()
	done := make(chan error, 1)
	go func() {
		conn := tls.Client(b, client.Config())
		err := conn.Handshake()
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
		}
		_ = b.Close()
		done <- err
	}()
	serverErr = tls.Server(a, server.Config()).Handshake()
	_ = a.Close()
	if clientErr = <-done; clientErr == io.EOF {
		clientErr = nil
	}
	return serverErr, clientErr
}

// TestWhoMayConnect: names, revoked certificates and the server's name decide.
func TestWhoMayConnect(t *testing.T) {
	ca, _, good := site(t)
	host := ca.Issue("host1")
	side := func(f Flags, name string) *Credentials {
		c := New(f, name)
		if _, err := c.Load(); err != nil {
			t.Fatal(err)
		}
		return c
	}
	client := flagsOf(t, ca, host)
	client.server = false
	list := kit.WriteFile(t, "crl", ca.Revoke(host), 0o644)
	serverList := kit.WriteFile(t, "crl", ca.Revoke(kit.Pair{Leaf: side(good, "").Config().Certificates[0].Leaf}), 0o644)
	for _, row := range []struct {
		name           string
		server, client func(f *Flags)
		dialled        string
		serverSays     string
		clientSays     string
	}{
		{"any of the CA", nil, nil, "cache", "", ""},
		{"by address", nil, nil, "127.0.0.1", "", ""},
		{"by a name with a dot at its end", nil, nil, "cache.", "", ""},
		{"by an address with a zone", nil, nil, "::1%lo", "", ""},
		{"allowed", func(f *Flags) { f.Allow = Patterns{"host*"} }, nil, "cache", "", ""},
		{"not allowed", func(f *Flags) { f.Allow = Patterns{"host2"} }, nil, "cache", `certificate "host1" matches no name of -tlsallow`, "bad certificate"},
		{"revoked", func(f *Flags) { f.CRL = list }, nil, "cache", `certificate "host1" is revoked (-tlscrl)`, "bad certificate"},
		{"server revoked", nil, func(f *Flags) { f.CRL = serverList }, "cache", "bad certificate", `certificate "cache" is revoked (-tlscrl)`},
		{"others revoked", func(f *Flags) { f.CRL = serverList }, nil, "cache", "", ""},
		{"another name", nil, nil, "elsewhere", "bad certificate", "cache"},
		{"another name and -tlsname", nil, func(f *Flags) { f.Name = "cache" }, "elsewhere", "", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			s, c := good, client
			if row.server != nil {
				row.server(&s)
			}
			if row.client != nil {
				row.client(&c)
			}
			serverErr, clientErr := meet(side(s, ""), side(c, row.dialled))
			for _, each := range []struct {
				side string
				got  error
				want string
			}{{"server", serverErr, row.serverSays}, {"client", clientErr, row.clientSays}} {
				if (each.got == nil) != (each.want == "") || each.got != nil && !strings.Contains(each.got.Error(), each.want) {
					t.Errorf("the %s: got %v, want %q", each.side, each.got, each.want)
				}
			}
		})
	}
}

// TestTrap10Reload swaps all or nothing.
func TestTrap10Reload(t *testing.T) {
	ca, _, f := site(t)
	var log strings.Builder
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	c := New(f, "")
	if _, err := c.Load(); err != nil {
		t.Fatal(err)
	}
	first := c.Config()
	renewed := ca.Issue("renewed")
	write := func(path string, content []byte) {
		t.Helper()
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(f.Cert, renewed.Cert) // and its key is not there yet
	c.Reload()
	if c.Config() != first || !strings.Contains(log.String(), "the old TLS certificates stay in force") ||
		!strings.Contains(log.String(), f.Key+": the key does not belong to the certificate of -tlscert") {
		t.Errorf("a broken set: got %v and the log %q, want the old one and the reason", c.Config() != first, log.String())
	}
	write(f.Key, renewed.Key)
	c.Reload()
	if got := c.Config().Certificates[0].Leaf.Subject.CommonName; got != "renewed" || !strings.Contains(log.String(), "certificate=renewed") {
		t.Errorf("got certificate %q and the log %q, want the renewed one", got, log.String())
	}
	mustHideKey(t, log.String(), renewed.Key)
}

// TestReloadFromOtherFiles: other flags are taken with good files only, and the next Reload is from those in force.
func TestReloadFromOtherFiles(t *testing.T) {
	ca, _, f := site(t)
	slog.SetDefault(slog.New(slog.DiscardHandler))
	c := New(f, "host")
	if _, err := c.Load(); err != nil {
		t.Fatal(err)
	}
	other := f
	renewed := ca.Issue("renewed").Flags(ca)
	other.Cert, other.Key = renewed[1], f.Key
	for _, step := range []struct {
		what   string
		reload func() bool
		done   bool
		want   string
	}{
		{"a key of another certificate", func() bool { return c.ReloadFrom(other) }, false, leafName(c)},
		{"as before", c.Reload, true, leafName(c)},
		{"other files", func() bool { other.Key = renewed[3]; return c.ReloadFrom(other) }, true, "renewed"},
		{"as before, again", c.Reload, true, "renewed"},
	} {
		if done := step.reload(); done != step.done || leafName(c) != step.want {
			t.Errorf("%s: got %v and certificate %q, want %v and %q", step.what, done, leafName(c), step.done, step.want)
		}
	}
}

func leafName(c *Credentials) string { return c.Config().Certificates[0].Leaf.Subject.CommonName }
