package tlscache

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"distcache/client"
	"distcache/internal/test/kit"
)

const (
	site     = "www.example.net"
	patience = time.Minute // how long a test waits for what must come, on a busy machine
)

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server", "examples/tlsserver"}, Parallel: 8}.Run(m)
}

var versions = []uint16{tls.VersionTLS12, tls.VersionTLS13}

// newTickets gives Tickets whose cache is at that address, until the test ends.
func newTickets(t testing.TB, at kit.Endpoint, timeout time.Duration, keys ...Key) *Tickets {
	t.Helper()
	cache, err := client.Open(at.String(), client.Options{Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cache.Close() })
	return New(cache, keys...)
}

// host is a TLS server that greets, with tickets.
type host struct {
	at      net.Addr
	tickets *Tickets
}

// serve starts a host. The changes are made to its configuration.
func serve(t testing.TB, tickets *Tickets, pair kit.Pair, changes ...func(*tls.Config)) host {
	t.Helper()
	config := &tls.Config{Certificates: []tls.Certificate{pair.TLS}}
	tickets.Configure(config)
	for _, change := range changes {
		change(config)
	}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	if err != nil {
		t.Fatal(err)
	}
	kit.Greet(t, listener)
	return host{listener.Addr(), tickets}
}

// newBrowser is a TLS client that keeps its latest session, and speaks one version.
func newBrowser(ca *kit.CA, version uint16) *tls.Config {
	return &tls.Config{RootCAs: ca.Pool(), ServerName: site, ClientSessionCache: tls.NewLRUClientSessionCache(1),
		MinVersion: version, MaxVersion: version}
}

// visit does a handshake and reports whether it resumed a session.
func visit(t testing.TB, h host, browser *tls.Config) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", h.at.String(), browser)
	if err != nil {
		t.Fatalf("handshake: %v", err)
	}
	defer func() { _ = conn.Close() }()
	// The ticket of TLS 1.3 comes before the first bytes.
	if greeting, err := io.ReadAll(conn); err != nil || string(greeting) != "welcome\n" {
		t.Fatalf("got %q and error %v, want the greeting", greeting, err)
	}
	return conn.ConnectionState().DidResume
}

// wantVisits visits the hosts in turn with one browser, and holds which visits resumed a session.
func wantVisits(t testing.TB, browser *tls.Config, hosts []host, want ...bool) {
	t.Helper()
	var got []bool
	for _, h := range hosts {
		got = append(got, visit(t, h, browser))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: got resumed %v, want %v", tls.VersionName(browser.MinVersion), got, want)
	}
}

// wantCounts holds the totals of a host.
func wantCounts(t testing.TB, tickets *Tickets, want Counts) {
	t.Helper()
	if got := tickets.Counts(); got != want {
		t.Errorf("got counts %+v, want %+v", got, want)
	}
}

// withClientCertificate makes the browser show a certificate.
func withClientCertificate(browser *tls.Config, pair kit.Pair) *tls.Config {
	browser.Certificates = []tls.Certificate{pair.TLS}
	return browser
}

// wantsCertificates makes a host ask for certificates of the CA.
func wantsCertificates(roots *x509.CertPool) func(*tls.Config) {
	return func(c *tls.Config) { c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, roots }
}
