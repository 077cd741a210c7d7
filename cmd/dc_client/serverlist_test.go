package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/engine"
	"distcache/engine/deadline"
	"distcache/internal/agent"
	"distcache/upstream"
)

// logged gives what fn logs. Tests that use it are not parallel.
func logged(t *testing.T, fn func()) string {
	t.Helper()
	var text bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&text, nil)))
	defer slog.SetDefault(before)
	fn()
	return text.String()
}

// TestBadCertificateKeepsTheList: the log says so.
func TestBadCertificateKeepsTheList(t *testing.T) {
	files := []string{"-tlscert", "/nowhere/cert", "-tlskey", "/nowhere/key", "-tlsca", "/nowhere/ca", "-server", "TLS:a:1", "-server"}
	c := config{}
	if _, err := c.parse(append(files, "TLS:b:1")); err != nil {
		t.Fatal(err)
	}
	next, err := c.reread(append(files, "TLS:c:1"))
	if err != nil {
		t.Fatal(err)
	}
	got := logged(t, func() {
		if next.Reload() {
			t.Error("got certificates that are not there in force")
		}
	})
	if !strings.Contains(got, "the old list of -server stays in force") || joined(c.inForce.get()) != "TLS:a:1, TLS:b:1" {
		t.Errorf("got the list %s and the log %s", joined(c.inForce.get()), got)
	}
}

// TestServingLogKnowsTheOneBefore, also from when there was one server, which needs no line.
func TestServingLogKnowsTheOneBefore(t *testing.T) {
	s := upstream.NewServers(upstream.ServersConfig{}, nil, nil)
	list := func(names ...string) []*upstream.Member {
		s.Arrange(names, func(name string) upstream.Spec { return upstream.Spec{Name: name, Transport: &noWire{}} }, 0)
		return s.Members()
	}
	log := servingLog{}
	one := list("a")
	if got := logged(t, func() { log.changed(nil, one[0], one, "a", false, 0) }); got != "" {
		t.Errorf("got %s of one server, want nothing", got)
	}
	two := list("a", "b")
	got := logged(t, func() { log.changed(nil, two[1], two, "b", false, 5*time.Second) })
	if !strings.Contains(got, `server=b place="2 of 2" reason="the previous server was lost" previous=a since_last_change=5s`) {
		t.Errorf("got %s", got)
	}
}

// noWire is a Transport that is never used.
type noWire struct{ upstream.Transport }

func (*noWire) Drive(*upstream.Link) {}

// TestSilentNameHoldsUpNoOther: each name is looked up by itself, and its addresses are used at once.
func TestSilentNameHoldsUpNoOther(t *testing.T) {
	r, posts, release := newTestRoster(t)
	defer close(release)
	r.Expire(0)
	(<-posts)()
	if got := len(r.app.agent.Servers().Members()); got != 1 {
		t.Errorf("got %d servers, want the one of the name that resolves", got)
	}
	r.refresh()
	r.Expire(r.Deadline())
	(<-posts)() // of the name that resolves alone: the other is being asked
	if got := r.Deadline(); got != deadline.Never || len(posts) > 0 {
		t.Errorf("got the next look-up at %v, want none while a name is silent", got)
	}
}

// TestUnresolvedNamesAreTold: on the status page of each loop, and once in the log of the process.
func TestUnresolvedNamesAreTold(t *testing.T) {
	for _, first := range []bool{true, false} {
		r, _, release := newTestRoster(t)
		close(release)
		r.app.first = first
		got := logged(t, func() { r.take(r.names[0], nil, errors.New("no such host"), 0) })
		if strings.Contains(got, "server=IP:silent:1") != first {
			t.Errorf("first %v: got the log %s", first, got)
		}
		status := r.app.agent.Status(time.Second)
		if status.Ready || status.LastError != "IP:silent:1: no such host" || status.Text != "No address of dc_server is known" {
			t.Errorf("got the status %+v", status)
		}
	}
}

// TestLookUpsAreSpread: hosts that were started at the same time do not ask at the same times.
func TestLookUpsAreSpread(t *testing.T) {
	r, posts, release := newTestRoster(t)
	close(release)
	times := map[time.Duration]bool{}
	for range 5 {
		r.refresh()
		r.Expire(0)
		(<-posts)()
		(<-posts)()
		next := r.Deadline() - r.asked
		times[next] = true
		if next < 4*time.Second || next > 5*time.Second {
			t.Errorf("got the next look-up after %v, want 4 to 5 s", next)
		}
	}
	if len(times) == 1 {
		t.Errorf("got the same time five times: %v", times)
	}
}

// newTestRoster is one of two names: no name server answers for the first until release is closed, and then there is no such host.
func newTestRoster(t *testing.T) (r *roster, posts chan func(), release chan struct{}) {
	t.Helper()
	c := config{}
	if _, err := c.parse([]string{"-server-per-address", "-server", "IP:silent:1", "-server", "IP:well:1"}); err != nil {
		t.Fatal(err)
	}
	a := &app{config: c, first: true, loop: new(engine.Loop), links: map[string]*link{}}
	a.agent = agent.New(a.agentConfig(), &observer{app: a})
	r, posts, release = newRoster(a), make(chan func(), 10), make(chan struct{})
	a.roster = r
	r.post = func(fn func()) error { posts <- fn; return nil }
	r.lookUp = func(of address.Address) ([]netip.Addr, error) {
		if of.Host == "silent" {
			<-release
			return nil, errors.New("no such host")
		}
		return []netip.Addr{netip.MustParseAddr("127.0.0.1")}, nil
	}
	r.use(c.inForce.get(), 0)
	return r, posts, release
}
