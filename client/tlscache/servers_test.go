package tlscache

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// example is a site of two tlsservers, each on a host of its own: with a dc_client that leads to
// the one dc_server.
type example struct {
	ca     *kit.CA
	agents [2]*kit.Process
	hosts  [2]*kit.Process
	server *kit.Process
}

// startExample starts a site. flags are for the tlsservers.
func startExample(t testing.TB, change func(*kit.Pair), flags ...string) *example {
	t.Helper()
	e, rig := &example{ca: kit.NewCA(t, "CA")}, kit.NewRig(t)
	pair := e.ca.Issue(site)
	if change != nil {
		change(&pair)
	}
	files := []string{"-cert", kit.WriteFile(t, "cert.pem", pair.Cert, 0o644), "-certkey", kit.WriteFile(t, "key.pem", pair.Key, 0o600),
		"-key", kit.WriteFile(t, "site.key", make([]byte, 32), 0o600), "-listen", "127.0.0.1:0"}
	dcServer, server := rig.Server()
	e.server = dcServer
	for i := range e.hosts {
		var at kit.Endpoint
		e.agents[i], at = rig.Client(server)
		e.hosts[i] = rig.Run("tlsserver", append(append(files, "-cache", at.String()), flags...)...)
	}
	for _, h := range e.hosts {
		h.WaitStderr(kit.Patience, " ready on IP:")
	}
	return e
}

// ask asks one of the hosts, over a new connection.
func (e *example) ask(t testing.TB, host int, browser *tls.Config) bool {
	t.Helper()
	conn, err := tls.Dial("tcp", e.hosts[host].Listens().Address, browser)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_, _ = fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n", site)
	all := bufio.NewScanner(conn)
	for all.Scan() {
		if what, ok := strings.CutPrefix(all.Text(), "resumed: "); ok {
			if want := fmt.Sprint(conn.ConnectionState().DidResume); what != want {
				t.Errorf("got resumed %s from the server, want what the client says: %s", what, want)
			}
			return what == "true"
		}
	}
	t.Fatalf("got no answer: %v", all.Err())
	return false
}

// TestTwoServers: sessions of either of two servers are resumed by the other, through two
// dc_clients and one dc_server.
func TestTwoServers(t *testing.T) {
	t.Parallel()
	for _, single := range []string{"-single-use=false", "-single-use"} {
		t.Run(single, func(t *testing.T) {
			t.Parallel()
			e := startExample(t, nil, single, "-timeout=10s") // the machine may be busy
			for _, version := range versions {
				for first := range 2 {
					browser := newBrowser(e.ca, version)
					for n := range 6 {
						if got, want := e.ask(t, (first+n)%2, browser), n > 0; got != want {
							t.Errorf("%s, begun at %d, visit %d: got resumed %v, want %v", tls.VersionName(version), first, n, got, want)
						}
					}
				}
			}
			for _, h := range e.hosts {
				if lines := strings.Count(h.Stderr(), "\n"); lines != 1 {
					t.Errorf("got %d lines, want no errors:\n%s", lines, h.Stderr())
				}
			}
		})
	}
}

// TestDeadAgent: without its dc_client a server does full handshakes, and resumes again after.
func TestDeadAgent(t *testing.T) {
	t.Parallel()
	e := startExample(t, nil)
	for _, version := range versions {
		browser := newBrowser(e.ca, version)
		e.ask(t, 0, browser)
		e.agents[0].Signal(syscall.SIGSTOP)
		began := time.Now()
		if e.ask(t, 0, browser) {
			t.Error("got a resumed session while dc_client stood still, want a full handshake")
		}
		if took := time.Since(began); took > 2*300*time.Millisecond+kit.Promptly {
			kit.TooSlow(t, "handshake: got it after %v, want at most two timeouts of 300ms", took)
		}
		e.agents[0].Signal(syscall.SIGCONT)
		kit.Wait(t, patience, "resumption", func() bool {
			e.ask(t, 0, browser)
			return e.ask(t, 1, browser)
		})
	}
}

// TestDeadCache: a cache in any bad state means full handshakes, no errors, and no longer a wait
// than for the client's timeout, twice: one GET, one ADD.
func TestDeadCache(t *testing.T) {
	t.Parallel()
	const timeout = 100 * time.Millisecond
	for _, row := range []struct {
		name string
		at   func(t *testing.T) kit.Endpoint
		wait bool // for the timeout
	}{
		{"nothing there", func(t *testing.T) kit.Endpoint { return kit.Unix(t) }, false},
		{"hung", hung, true},
		{"no answer", lying(kit.Drop), true},
		{"closes", lying(kit.CloseUnanswered), false},
		{"answers HTTP", lying(kit.HTTP), false},
		{"disconnected", func(t *testing.T) kit.Endpoint {
			up := kit.NewUpstream(t, kit.Unix(t))
			up.After(0).Status(codec.StatusDisconnected)
			return up.Endpoint()
		}, false},
	} {
		for _, version := range versions {
			t.Run(row.name+" "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				jitter, ca := kit.MeasureJitter(t), kit.NewCA(t, "CA")
				h := serve(t, newTickets(t, row.at(t), timeout, Key{1}), ca.Issue(site))
				browser := newBrowser(ca, version)
				wantVisits(t, browser, []host{h}, false)
				began := time.Now()
				wantVisits(t, browser, []host{h}, false)
				least, most := time.Duration(0), 2*timeout
				if row.wait {
					least = 2 * timeout
				}
				jitter.MustTake(t, "handshake", time.Since(began), least, most+kit.Promptly)
				wantCounts(t, h.tickets, Counts{NotStored: 2, NotLoaded: 1})
			})
		}
	}
}

// hung gives the address of a listening socket that never accepts.
func hung(t *testing.T) kit.Endpoint {
	at := kit.Unix(t)
	listener, err := net.Listen(at.Network, at.Address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return at
}

func lying(how kit.Fault) func(t *testing.T) kit.Endpoint {
	return func(t *testing.T) kit.Endpoint {
		up := kit.NewUpstream(t, kit.Unix(t))
		up.After(0).Do(how)
		return up.Endpoint()
	}
}
