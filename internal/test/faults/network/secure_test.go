package network

import (
	"crypto/x509"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// secureSite is a dc_server and hosts with a dc_client, each in a namespace of its own, that speak TLS.
type secureSite struct {
	lan    *lan
	ca     *kit.CA
	server *kit.Process
	issued map[string][]kit.Pair // by name: cache, host1, …
	flags  map[string][]string   // for the last one
	crl    string                // the file of -tlscrl
}

// newSecureSite starts the dc_server.
func newSecureSite(t *testing.T) *secureSite {
	t.Helper()
	s := &secureSite{lan: newLAN(t), ca: kit.NewCA(t, "the site's CA"), issued: map[string][]kit.Pair{}, flags: map[string][]string{}}
	s.crl = kit.WriteFile(t, "crl.pem", s.ca.Revoke(), 0o644)
	s.server = inNamespace(t, s.lan.server).Start("dc_server", append(s.certificate("cache"), "-listen", "TLS:"+cachePort, "-tlscrl", s.crl)...)
	return s
}

// client starts a dc_client in a namespace, with the certificate of that name, and waits for the connection.
func (s *secureSite) client(namespace, name, server string) (*kit.Process, kit.Endpoint) {
	s.lan.t.Helper()
	return inNamespace(s.lan.t, namespace).Client(kit.Endpoint{}, append(s.certificate(name),
		"-server", "TLS:"+server+":"+cachePort, "-tlsname", "cache", millis("-retry", retry))...)
}

// certificate is the flags for the certificate of that name, which is made if there is none.
func (s *secureSite) certificate(name string) []string {
	s.lan.t.Helper()
	if s.flags[name] == nil {
		pair := s.ca.Issue(name)
		s.issued[name] = []kit.Pair{pair}
		s.flags[name] = pair.Flags(s.ca)
	}
	return slices.Clone(s.flags[name])
}

// renew puts a new certificate with its key in the place of the one of that name, which stays valid.
func (s *secureSite) renew(name string) {
	s.lan.t.Helper()
	pair := s.ca.Issue(name, func(c *x509.Certificate) { c.Subject.CommonName = name + " renewed" })
	s.issued[name] = append(s.issued[name], pair)
	s.replace(s.flags[name][1], pair.Cert)
	s.replace(s.flags[name][3], pair.Key)
}

func (s *secureSite) replace(path string, content []byte) {
	s.lan.t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		s.lan.t.Fatal(err)
	}
}

// reload has a daemon read its certificates, and waits for that.
func (s *secureSite) reload(p *kit.Process) {
	s.lan.t.Helper()
	before := strings.Count(p.Stderr(), "TLS certificates read again")
	p.Signal(syscall.SIGHUP)
	p.Wait(patience, "certificates to be read", func() bool {
		return strings.Count(p.Stderr(), "TLS certificates read again") > before
	})
}

// otherHost makes a host with a cable of its own to the server, whose address there it gives.
func (n *lan) otherHost() (namespace, server string) {
	n.t.Helper()
	namespace = newNamespace(n.t)
	n.ip("link", "add", "v1", "netns", n.server, "type", "veth", "peer", "name", wire, "netns", namespace)
	n.ip("-n", n.server, "addr", "add", "10.11.13.2/24", "dev", "v1")
	n.ip("-n", n.server, "link", "set", "v1", "up")
	n.ip("-n", namespace, "addr", "add", "10.11.13.1/24", "dev", wire)
	n.ip("-n", namespace, "link", "set", wire, "up")
	return namespace, "10.11.13.2"
}

// mustServe fails when a request of the load was not answered by dc_server.
func mustServe(t *testing.T, what string, load *kit.Load) {
	t.Helper()
	all, failed := load.Stop(), 0
	for _, o := range all {
		if !o.Served {
			failed++
		}
	}
	if failed > 0 || len(all) == 0 {
		t.Errorf("%s: got %d of %d requests without service, want none", what, failed, len(all))
	}
}

// TestTLSBetweenHosts: two hosts share sessions over TLS; all certificates are renewed under load, and no request fails; a
// host that is revoked is cut off, and the other one does not notice.
func TestTLSBetweenHosts(t *testing.T) {
	t.Parallel()
	s := newSecureSite(t)
	otherHost, atOther := s.lan.otherHost()
	agent1, at1 := s.client(s.lan.client, "host1", serverIP)
	agent2, at2 := s.client(otherHost, "host2", atOther)
	host1, host2 := kit.Dial(t, at1), kit.Dial(t, at2)
	host1.ExpectStatus(kit.Add(1, "session", "its secret", time.Hour), codec.StatusOK)
	host2.Send(kit.Get(2, "session"))
	host2.Expect(kit.Hit(2, "its secret"))

	load1, load2 := kit.StartLoad(t, at1, 5, 5*time.Millisecond), kit.StartLoad(t, at2, 5, 5*time.Millisecond)
	s.renew("host1")
	s.renew("cache")
	s.renew("host2")
	for _, p := range []*kit.Process{agent1, s.server, agent2} {
		s.reload(p)
	}
	third, at3 := s.client(otherHost, "host2", atOther)
	third.WaitStderr(patience, `certificate="cache renewed"`)
	mustServe(t, "renewal, host2", load2)

	// Both certificates of host2 are valid: agent2's connection is older than the new one.
	s.replace(s.crl, s.ca.Revoke(s.issued["host2"]...))
	s.reload(s.server)
	for _, p := range []*kit.Process{agent2, third} {
		p.WaitStderr(patience, "lost dc_server")
		p.WaitStderr(patience, "the server refuses the certificate of this side")
	}
	for _, name := range []string{"host2", "host2 renewed"} {
		s.server.WaitStderr(patience, `reason="certificate \"`+name+`\" is revoked (-tlscrl)`)
	}
	host2.ExpectStatus(kit.Get(3, "session"), codec.StatusDisconnected)
	kit.Dial(t, at3).ExpectStatus(kit.Get(4, "session"), codec.StatusDisconnected)
	mustServe(t, "renewal and revocation, host1", load1)
}
