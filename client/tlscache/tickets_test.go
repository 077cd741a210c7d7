package tlscache

import (
	"crypto/tls"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestResumes: a session of one host is resumed at another when the keys and the names agree.
func TestResumes(t *testing.T) {
	t.Parallel()
	k1, k2, k3 := Key{1}, Key{2}, Key{3}
	for _, row := range []struct {
		name          string
		first, second []Key
		service       string // the second's; the first is ""
		want          bool
	}{
		{"the same key", []Key{k1}, []Key{k1}, "", true},
		{"no keys", nil, nil, "", true},
		{"a new key, where the other knows it already", []Key{k2, k1}, []Key{k1, k2}, "", true},
		{"an old key", []Key{k1}, []Key{k3, k2, k1}, "", true},
		{"other keys", []Key{k1}, []Key{k2, k3}, "", false},
		{"one without a key", []Key{k1}, nil, "", false},
		{"another service", []Key{k1}, []Key{k1}, "mail", false},
	} {
		for _, version := range versions {
			t.Run(row.name+" "+tls.VersionName(version), func(t *testing.T) {
				t.Parallel()
				ca, up := kit.NewCA(t, "CA"), kit.NewUpstream(t, kit.Unix(t))
				pair := ca.Issue(site)
				first, second := newTickets(t, up.Endpoint(), patience, row.first...), newTickets(t, up.Endpoint(), patience, row.second...)
				second.Name = row.service
				hosts := []host{serve(t, first, pair), serve(t, second, pair)}
				wantVisits(t, newBrowser(ca, version), []host{hosts[0], hosts[0], hosts[1]}, false, true, row.want)
			})
		}
	}
}

// TestMutualTLS: a resumed session has the certificate of its client.
func TestMutualTLS(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		ca, up := kit.NewCA(t, "CA"), kit.NewUpstream(t, kit.Unix(t))
		pair, who := ca.Issue(site), ca.Issue("visitor")
		names := make(chan string, 2)
		asks := func(c *tls.Config) {
			c.VerifyConnection = func(cs tls.ConnectionState) error {
				names <- cs.PeerCertificates[0].Subject.CommonName
				return nil
			}
		}
		var hosts []host
		for range 2 {
			hosts = append(hosts, serve(t, newTickets(t, up.Endpoint(), patience, Key{1}), pair, wantsCertificates(ca.Pool()), asks))
		}
		wantVisits(t, withClientCertificate(newBrowser(ca, version), who), hosts, false, true)
		if len(names) < 2 {
			t.Fatalf("%s: got %d clients, want the visitor twice", tls.VersionName(version), len(names))
		}
		for range 2 {
			if name := <-names; name != "visitor" {
				t.Errorf("%s: got client %q, want the visitor twice", tls.VersionName(version), name)
			}
		}
	}
}

// TestNothingIsAskedForNothing: a client without a session, and one with a ticket of another
// kind, cause no look-up.
func TestNothingIsAskedForNothing(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		ca, up := kit.NewCA(t, "CA"), kit.NewUpstream(t, kit.Unix(t))
		h := serve(t, newTickets(t, up.Endpoint(), patience, Key{1}), ca.Issue(site))
		visit(t, h, newBrowser(ca, version))
		for _, length := range []int{0, 1, ticketLen - 1, ticketLen + 1, 200} {
			if session, err := h.tickets.unwrap(make([]byte, length), tls.ConnectionState{}); session != nil || err != nil {
				t.Errorf("ticket of %d bytes: got %v, %v, want no session and no error", length, session, err)
			}
		}
		for _, r := range up.Requests() {
			if r.Op != codec.OpAdd {
				t.Errorf("%s: got a %v of %x, want ADDs alone", tls.VersionName(version), r.Op, r.ID)
			}
		}
		wantCounts(t, h.tickets, Counts{Stored: 1})
	}
}

// TestSingleUse: a ticket works once, and each resumption brings a new one.
func TestSingleUse(t *testing.T) {
	t.Parallel()
	for _, version := range versions {
		ca, up := kit.NewCA(t, "CA"), kit.NewUpstream(t, kit.Unix(t))
		pair := ca.Issue(site)
		var hosts []host
		for range 2 {
			tickets := newTickets(t, up.Endpoint(), patience, Key{1})
			tickets.SingleUse = true
			hosts = append(hosts, serve(t, tickets, pair))
		}
		browser := newBrowser(ca, version)
		wantVisits(t, browser, []host{hosts[0], hosts[1], hosts[0]}, false, true, true)
		old, _ := browser.ClientSessionCache.Get(site)
		wantVisits(t, browser, hosts[:1], true)
		browser.ClientSessionCache.Put(site, old)
		wantVisits(t, browser, hosts[1:], false)
		if got := hosts[1].tickets.Counts().Missing; got != 1 {
			t.Errorf("%s: got %d missing sessions, want the one that was used up", tls.VersionName(version), got)
		}
	}
}

// TestSingleUseOfManyAtOnce: of many servers that are offered a ticket at once, one takes it.
func TestSingleUseOfManyAtOnce(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	tickets := newTickets(t, up.Endpoint(), patience, Key{1})
	tickets.SingleUse = true
	ticket := wrapOne(t, tickets)
	const servers = 16
	arrived := make(chan struct{}, servers)
	up.On(func(r kit.Request) bool { return r.Op == codec.OpGet }).Do(func(x *kit.Exchange) {
		// All have their GET answered before any REMOVE.
		arrived <- struct{}{}
		kit.Wait(t, patience, "all GETs", func() bool { return len(arrived) == servers })
		x.Write(x.Answer)
	})
	var taken atomic.Int32
	var all sync.WaitGroup
	for range servers {
		all.Go(func() {
			if session, _ := tickets.unwrap(ticket, tls.ConnectionState{}); session != nil {
				taken.Add(1)
			}
		})
	}
	all.Wait()
	if taken.Load() != 1 {
		t.Errorf("got the session %d times, want once", taken.Load())
	}
	wantCounts(t, tickets, Counts{Stored: 1, Found: 1, Missing: servers - 1})
}

// TestSingleUseNeedsTheRemoval: while the cache does not say that it has removed the session, the
// ticket is not taken.
func TestSingleUseNeedsTheRemoval(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	up.On(func(r kit.Request) bool { return r.Op == codec.OpRemove }).Status(codec.StatusDisconnected)
	tickets := newTickets(t, up.Endpoint(), patience, Key{1})
	tickets.SingleUse = true
	if session, err := tickets.unwrap(wrapOne(t, tickets), tls.ConnectionState{}); session != nil || err != nil {
		t.Errorf("got %v, %v, want no session and no error", session, err)
	}
	wantCounts(t, tickets, Counts{Stored: 1, NotLoaded: 1})
}

// TestTTL: sessions live as long as Tickets.TTL says, within what the protocol knows.
func TestTTL(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ set, want time.Duration }{
		{0, DefaultTTL}, {time.Minute, time.Minute}, {codec.MaxTimeout, codec.MaxTimeout}, {365 * 24 * time.Hour, codec.MaxTimeout},
	} {
		up := kit.NewUpstream(t, kit.Unix(t))
		tickets := newTickets(t, up.Endpoint(), patience)
		tickets.TTL = row.set
		wrapOne(t, tickets)
		if all := up.Requests(); len(all) != 1 || codec.AddTimeout(all[0].Wire) != row.want {
			t.Errorf("TTL %v: got %v, want one ADD for %v", row.set, all, row.want)
		}
	}
}

// TestTooLargeASession: it is not stored, and the connection lives.
func TestTooLargeASession(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	tickets := newTickets(t, up.Endpoint(), patience)
	state := newState(t)
	state.Extra = [][]byte{make([]byte, 40000)}
	if ticket, err := tickets.wrap(tls.ConnectionState{}, state); len(ticket) != ticketLen || err != nil {
		t.Errorf("got a ticket of %d bytes and error %v, want %d and none", len(ticket), err, ticketLen)
	}
	wantCounts(t, tickets, Counts{NotStored: 1})
}

// wrapOne stores a session and gives its ticket.
func wrapOne(t testing.TB, tickets *Tickets) []byte {
	t.Helper()
	ticket, err := tickets.wrap(tls.ConnectionState{}, newState(t))
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// newState is the state of a session, as a server has it.
func newState(t testing.TB) *tls.SessionState {
	t.Helper()
	states := make(chan *tls.SessionState, 1)
	ca, up := kit.NewCA(t, "CA"), kit.NewUpstream(t, kit.Unix(t))
	h := serve(t, newTickets(t, up.Endpoint(), patience), ca.Issue(site), func(c *tls.Config) {
		c.WrapSession = func(_ tls.ConnectionState, s *tls.SessionState) ([]byte, error) {
			states <- s
			return make([]byte, ticketLen), nil
		}
	})
	visit(t, h, newBrowser(ca, tls.VersionTLS13))
	return <-states
}
