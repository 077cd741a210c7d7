package tlscache

import (
	"bytes"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"slices"
	"testing"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestDerivation pins what is made of a ticket: hosts of another release must agree. The values were
// computed by another program (hmac and AESGCM of Python).
func TestDerivation(t *testing.T) {
	ticket := bytes.Repeat([]byte{7}, ticketLen)
	id, err := idOf(ticket, "www")
	if err != nil {
		t.Fatal(err)
	}
	const want = "ae8cb5ce11729b8b0de7a67bc19abe7e8a208a33c1ac128c5ba77fbb1939c3ff"
	if got := hex.EncodeToString(id); got != want {
		t.Errorf("got ID %s, want %s", got, want)
	}
	value, _ := hex.DecodeString("000102030405060708090a0b5f0bd257029529d14dd9ec07392d96014c16b4df00a2df2790")
	if got, err := open(ticket, []Key{{1}}, "www", value); err != nil || string(got) != "a session" {
		t.Errorf("got %q and error %v, want what another program has sealed", got, err)
	}
}

// TestSealed: a value opens with the ticket, a key and the name that it was sealed with, unchanged,
// and with nothing else.
func TestSealed(t *testing.T) {
	ticket, other := bytes.Repeat([]byte{7}, ticketLen), bytes.Repeat([]byte{8}, ticketLen)
	state := []byte("a session")
	value, err := seal(ticket, Key{1}, "www", state)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal(ticket, Key{1}, "www", state)
	if err != nil || bytes.Equal(value, again) {
		t.Errorf("got the same bytes twice (error %v), want a nonce in each", err)
	}
	for _, row := range []struct {
		name    string
		ticket  []byte
		keys    []Key
		service string
		value   []byte
		opens   bool
	}{
		{"as sealed", ticket, []Key{{1}}, "www", value, true},
		{"with one key of several", ticket, []Key{{2}, {1}}, "www", value, true},
		{"another ticket", other, []Key{{1}}, "www", value, false},
		{"another key", ticket, []Key{{2}}, "www", value, false},
		{"no key", ticket, []Key{{}}, "www", value, false},
		{"another name", ticket, []Key{{1}}, "ww", value, false},
		{"nothing", ticket, []Key{{1}}, "www", nil, false},
		{"longer", ticket, []Key{{1}}, "www", append(bytes.Clone(value), 0), false},
	} {
		got, err := open(row.ticket, row.keys, row.service, row.value)
		if row.opens && (err != nil || !bytes.Equal(got, state)) || !row.opens && !errors.Is(err, ErrSealed) {
			t.Errorf("%s: got %q and error %v, want that it opens: %v", row.name, got, err, row.opens)
		}
	}
	for i := range value {
		if _, err := open(ticket, []Key{{1}}, "www", value[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("%d bytes of it: got error %v, want %v", i, err, ErrSealed)
		}
		spoilt := bytes.Clone(value)
		spoilt[i] ^= 1
		if _, err := open(ticket, []Key{{1}}, "www", spoilt); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: got error %v, want %v", i, err, ErrSealed)
		}
	}
}

// TestTheCacheKnowsNothing: neither the ticket nor the session is in what the cache gets.
func TestTheCacheKnowsNothing(t *testing.T) {
	up := kit.NewUpstream(t, kit.Unix(t))
	tickets := newTickets(t, up.Endpoint(), patience, Key{1})
	state := newState(t)
	secret := bytes.Repeat([]byte("secret"), 10)
	state.Extra = [][]byte{secret}
	ticket, err := tickets.wrap(tls.ConnectionState{}, state)
	if err != nil {
		t.Fatal(err)
	}
	all := up.Requests()
	if len(all) != 1 || all[0].Op != codec.OpAdd || len(all[0].ID) != idLen {
		t.Fatalf("got %v, want one ADD with an ID of %d bytes", all, idLen)
	}
	if bytes.Contains(all[0].Wire, ticket) || bytes.Contains(all[0].Wire, secret[:8]) {
		t.Errorf("got %x, want neither the ticket %x nor the session in it", all[0].Wire, ticket)
	}
	if got, err := tickets.unwrap(ticket, tls.ConnectionState{}); err != nil || got == nil || !bytes.Equal(got.Extra[0], secret) {
		t.Errorf("got %v and error %v, want the session back", got, err)
	}
}

// TestALyingCache: what was changed or exchanged in the cache is a full handshake.
func TestALyingCache(t *testing.T) {
	for _, version := range versions {
		ca, up := kit.NewCA(t, "CA"), kit.NewUpstream(t, kit.Unix(t))
		tickets := newTickets(t, up.Endpoint(), patience, Key{1})
		errs := make(chan error, 8)
		tickets.OnError = func(err error) { errs <- err }
		h, browser := serve(t, tickets, ca.Issue(site)), newBrowser(ca, version)
		visit(t, h, browser)
		visit(t, h, newBrowser(ca, version))
		all := slices.DeleteFunc(up.Requests(), func(r kit.Request) bool { return r.Op != codec.OpAdd })
		stolen, status := codec.ParseAdd(payload(all[1]))
		if status != codec.StatusOK {
			t.Fatal(status)
		}
		up.On(func(r kit.Request) bool { return r.Op == codec.OpGet }).Reply(stolen.Data)
		wantVisits(t, browser, []host{h}, false)
		if len(errs) != 1 {
			t.Fatalf("got %d errors, want 1", len(errs))
		}
		if why := <-errs; !errors.Is(why, ErrSealed) {
			t.Errorf("got error %v, want %v", why, ErrSealed)
		}
		wantCounts(t, tickets, Counts{Stored: 3, NotLoaded: 1})
	}
}

// payload is what a request carries.
func payload(r kit.Request) []byte {
	a := codec.NewAssembler(codec.Request)
	m, err := a.Next(r.Wire)
	if err != nil {
		panic(err) // the kit gives whole requests
	}
	return m.Payload(nil)
}
