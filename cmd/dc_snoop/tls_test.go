package main

import (
	"crypto/tls"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// startSecured runs dc_snoop before a TLS address that passes on to up.
func startSecured(t *testing.T, up *kit.Upstream, trusted *kit.CA, flags func(ca *kit.CA) []string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	ca := kit.NewCA(t, "test CA")
	if trusted == nil {
		trusted = ca
	}
	server := kit.Terminate(t, &tls.Config{Certificates: []tls.Certificate{ca.Issue("cache").TLS},
		ClientCAs: trusted.Pool(), ClientAuth: tls.RequireAndVerifyClientCert}, up.Endpoint())
	at := kit.Unix(t)
	args := append(flags(ca), "-listen", at.String(), "-server", "TLS:"+server.Address)
	process := kit.Start(t, kit.Program(t, program), args...)
	process.WaitStderr(patience, " ready on "+at.String()+" for TLS:"+server.Address)
	return process, at
}

// TestTLS: what passes is shown, and both directions end in order.
func TestTLS(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	up.Put("id", "data", time.Hour)
	p, at := startSecured(t, up, nil, func(ca *kit.CA) []string { return append(ca.Issue("host1").Flags(ca), "-tlsname", "cache") })
	client := kit.Dial(t, at)
	client.Send(kit.Get(1, "id"))
	client.Expect(kit.Hit(1, "data"))
	_ = client.CloseWrite()
	client.ExpectClosed()
	if lines := wantLines(t, p, 2); !strings.Contains(lines[0], "> uid=00000001 GET") || !strings.Contains(lines[1], "HIT") {
		t.Errorf("got %q, want the request and its answer", lines)
	}
	stop(t, p)
}

// TestTLSRefusals: the client is closed, and a line says why.
func TestTLSRefusals(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name    string
		trusted *kit.CA
		flags   func(ca *kit.CA) []string
		want    string
	}{
		{"another name", nil, func(ca *kit.CA) []string { return append(ca.Issue("host1").Flags(ca), "-tlsname", "other") },
			`cannot connect to the server: certificate "cache" is not for the name "other"`},
		{"another CA", nil, func(ca *kit.CA) []string {
			return append(ca.Issue("host1").Flags(kit.NewCA(t, "another CA")), "-tlsname", "cache")
		}, `certificate "cache" is not signed by a CA of -tlsca`},
		{"refused by the server", kit.NewCA(t, "another CA"), func(ca *kit.CA) []string {
			return append(ca.Issue("host1").Flags(ca), "-tlsname", "cache")
		}, "the server refuses the certificate of this side"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			p, at := startSecured(t, kit.NewUpstream(t, kit.Loopback()), row.trusted, row.flags)
			client := kit.Dial(t, at)
			_ = client.Write(kit.Ask(1, codec.OpHave, []byte("id"))) // it may be closed already
			kit.Wait(t, patience, row.want, func() bool { return strings.Contains(p.Stderr()+p.Stdout(), row.want) })
			client.ExpectClosed()
			stop(t, p)
		})
	}
}
