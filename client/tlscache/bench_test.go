package tlscache

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"testing"
	"time"

	"distcache/bench/procfs"
	"distcache/internal/test/kit"
)

// BenchmarkHandshake measures HTTPS requests, each over a connection of its own and at the other
// of two tlsservers than the one before: with a full handshake, and resuming the session across the
// hosts. It reports the CPU time of the servers, and that of both dc_clients and dc_server.
//
//	go test -run '^$' -bench Handshake -benchtime 2000x ./client/tlscache
func BenchmarkHandshake(b *testing.B) {
	for _, kind := range []struct {
		certificate string
		change      func(testing.TB, *kit.Pair)
	}{{"RSA-2048", makeRSA}, {"ECDSA-P256", func(testing.TB, *kit.Pair) {}}} {
		for _, version := range versions {
			for _, way := range []string{"full", "resumed", "single-use"} {
				b.Run("cert="+kind.certificate+"/version="+tls.VersionName(version)[4:]+"/way="+way, func(b *testing.B) {
					var pair kit.Pair
					e := startExample(b, func(p *kit.Pair) {
						kind.change(b, p)
						pair = *p
					}, map[bool]string{true: "-single-use", false: "-single-use=false"}[way == "single-use"])
					browser := newBrowser(e.ca, version)
					browser.RootCAs = x509.NewCertPool()
					browser.RootCAs.AddCert(pair.Leaf)
					if way == "full" {
						browser.ClientSessionCache = nil
					}
					e.ask(b, 0, browser)
					benchmark(b, e, browser, way != "full")
				})
			}
		}
	}
}

func benchmark(b *testing.B, e *example, browser *tls.Config, want bool) {
	servers, daemons := cpuOf(b, e.hosts[:]...), cpuOf(b, append(e.agents[:], e.server)...)
	n := 0
	for b.Loop() {
		n++
		if got := e.ask(b, n%2, browser); got != want {
			b.Fatalf("handshake %d: got resumed %v, want %v", n, got, want)
		}
	}
	perOp := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(n) }
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "handshakes/s")
	b.ReportMetric(perOp(cpuOf(b, e.hosts[:]...)-servers), "server-cpu-µs/op")
	b.ReportMetric(perOp(cpuOf(b, append(e.agents[:], e.server)...)-daemons), "distcache-cpu-µs/op")
}

func cpuOf(b *testing.B, all ...*kit.Process) (sum time.Duration) {
	for _, p := range all {
		used, err := procfs.CPUTime(p.PID())
		if err != nil {
			b.Fatal(err)
		}
		sum += used
	}
	return sum
}

// makeRSA gives the pair a key of RSA, and a certificate that signs itself.
func makeRSA(t testing.TB, p *kit.Pair) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{site}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if p.Leaf, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	p.Cert = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	p.Key = pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
}
