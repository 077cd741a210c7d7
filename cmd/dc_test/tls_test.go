package main

import (
	"crypto/tls"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"distcache/internal/test/kit"
)

// serveTLS is serve over TLS. trusted signs the certificates of clients; nil: the same CA.
func serveTLS(t *testing.T, trusted *kit.CA) (server *kit.Upstream, at string, ca *kit.CA) {
	t.Helper()
	ca = kit.NewCA(t, "test CA")
	if trusted == nil {
		trusted = ca
	}
	server = kit.NewUpstream(t, kit.Loopback())
	over := kit.Terminate(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue("cache").TLS},
		ClientCAs: trusted.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}, server.Endpoint())
	return server, "TLS:" + over.Address, ca
}

// TestTLS: a test, its report and a ping over TLS; nothing is left in the directory for temporary
// files.
func TestTLS(t *testing.T) {
	temporary := t.TempDir()
	if len(temporary) > 60 {
		temporary = kit.SocketDir(t)
	}
	t.Setenv("TMPDIR", temporary)
	server, at, ca := serveTLS(t, nil)
	flags := append(ca.Issue("host1").Flags(ca), "-tlsname", "cache", "-connect", at)
	file := kit.WriteFile(t, "report.json", nil, 0o644)
	code, stdout, stderr := tool(append(flags, "-ops", "200", "-persistent", "-clients", "3", "-seed", "5", "-progress", "1000", "-json", file)...)
	if code != 0 || stderr != "" || server.Asked() != 200 {
		t.Errorf("got exit code %d, %d requests, %q and %q, want 0 and 200", code, server.Asked(), stdout, stderr)
	}
	var report struct {
		Config struct {
			Address string `json:"address"`
		} `json:"config"`
	}
	if text, err := os.ReadFile(file); err != nil || json.Unmarshal(text, &report) != nil || report.Config.Address != at {
		t.Errorf("got %+v, %v in the report, want the address %s", report, err, at)
	}
	if code, stdout, stderr = tool(append(flags, "-ping")...); code != 0 || !strings.HasPrefix(stdout, at+" answers (") || stderr != "" {
		t.Errorf("-ping: got exit code %d, %q and %q, want 0, that it answers, and silence", code, stdout, stderr)
	}
	if left, err := filepath.Glob(filepath.Join(temporary, "dc_test*")); err != nil || len(left) > 0 {
		t.Errorf("got %v, %v left behind, want nothing", left, err)
	}
}

// TestTLSRefusals: what is wrong is a line that names the address, and exit code 1.
func TestTLSRefusals(t *testing.T) {
	_, at, ca := serveTLS(t, nil)
	_, refusing, other := serveTLS(t, kit.NewCA(t, "another CA"))
	plain := kit.NewUpstream(t, kit.Loopback()).Endpoint()
	for _, row := range []struct {
		name, at, tlsname string
		ca                *kit.CA
		want              string
	}{
		{"another name", at, "other", ca, "cannot connect to " + at + `: certificate "cache" is not for the name "other"`},
		{"another CA", at, "cache", other, "cannot connect to " + at + `: certificate "cache" is not signed by a CA of -tlsca`},
		{"refused by the server", refusing, "cache", other, refusing + ": the server refuses the certificate of this side"},
		{"plain", "TLS:" + plain.Address, "cache", ca, "does that port speak TLS?"},
	} {
		t.Run(row.name, func(t *testing.T) {
			flags := append(ca.Issue("host1").Flags(row.ca), "-tlsname", row.tlsname, "-connect", row.at, "-ping")
			if code, stdout, stderr := tool(flags...); code != 1 || stdout != "" || !strings.Contains(stderr, row.want) {
				t.Errorf("got exit code %d, %q and %q, want 1, nothing and %q", code, stdout, stderr, row.want)
			}
		})
	}
}
