package tlscache

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"sync/atomic"
	"time"

	"distcache/client"
	"distcache/codec"
)

// DefaultTTL is the TTL of Tickets that set none.
const DefaultTTL = time.Hour

// Tickets keeps the sessions of TLS servers in a cache. Set its fields before Configure. It is
// safe for concurrent use, by any number of servers.
type Tickets struct {
	// Name separates services that share a cache and keys: sessions of another name are not
	// found. Give services that ask for different client certificates different names: a session
	// carries the certificate that its client has shown.
	Name string
	// TTL is how long a session can be resumed, 1 ms to 7 days; 0 is DefaultTTL. Each resumption
	// gives the client a new ticket with a TTL of its own. crypto/tls ends a session of TLS 1.2
	// seven days after its full handshake, however often it was resumed.
	TTL time.Duration
	// SingleUse takes a session out of the cache when it is resumed, so that its ticket works
	// once, and two connections cannot be linked by a ticket that both show. A ticket is taken only
	// if the cache says that this REMOVE has removed the session: a dc_server says so to one of
	// any number of servers that ask at once. It cannot promise it where a dc_client with “-remove ignore”
	// is between, or where two dc_servers have the session. A client that loses its
	// connection before the new ticket has come does a full handshake next.
	SingleUse bool
	// OnError is told of each failed operation and of each value that does not open, if it is
	// not nil; a session that is not in the cache is no error. It is called during handshakes,
	// by several goroutines at a time, so it must be quick.
	OnError func(error)

	cache  *client.Client
	keys   []Key
	counts counters
}

// New returns Tickets whose sessions are in that cache. The keys are the secret of the site: all
// servers of a service have the same. Sessions are sealed with the first; those sealed with any
// of them are opened. To replace a key, give all servers the new one as their last, then as their
// first, and take the old one away when TTL has passed.
func New(cache *client.Client, keys ...Key) *Tickets {
	if len(keys) == 0 {
		keys = make([]Key, 1) // as HKDF does without a salt
	}
	return &Tickets{cache: cache, keys: keys}
}

// Configure sets WrapSession and UnwrapSession of a server's configuration, which are all that
// decides on tickets: session ticket keys are not used any more. It also holds for the clones of the
// configuration, and not for what GetConfigForClient returns, which needs a Configure of its own.
// SessionTicketsDisabled must be false.
func (t *Tickets) Configure(config *tls.Config) {
	config.WrapSession = t.wrap
	config.UnwrapSession = t.unwrap
}

// wrap stores a session and returns its ticket. An error would end the connection. A ticket whose
// session was not stored does no harm: its client will do a full handshake.
func (t *Tickets) wrap(_ tls.ConnectionState, session *tls.SessionState) ([]byte, error) {
	ticket := make([]byte, ticketLen)
	_, _ = rand.Read(ticket) // documented never to fail
	if err := t.store(ticket, session); err != nil {
		t.counts.notStored.Add(1)
		t.failed(err)
	} else {
		t.counts.stored.Add(1)
	}
	return ticket, nil
}

func (t *Tickets) store(ticket []byte, session *tls.SessionState) error {
	state, err := session.Bytes()
	if err != nil {
		return err
	}
	value, err := seal(ticket, t.keys[0], t.Name, state)
	if err != nil {
		return err
	}
	id, err := idOf(ticket, t.Name)
	if err != nil {
		return err
	}
	err = t.cache.Add(context.Background(), id, value, t.ttl())
	if errors.Is(err, client.ErrExists) { // client.Options.Retry: this ID is of the first attempt
		return nil
	}
	return err
}

func (t *Tickets) ttl() time.Duration {
	if t.TTL == 0 {
		return DefaultTTL
	}
	return min(t.TTL, codec.MaxTimeout)
}

// unwrap returns the session of a ticket, or nil for a full handshake. Clients of TLS 1.2 without
// a session offer an empty ticket, and some offer one of another server: neither is asked for.
func (t *Tickets) unwrap(ticket []byte, _ tls.ConnectionState) (*tls.SessionState, error) {
	if len(ticket) != ticketLen {
		return nil, nil
	}
	session, err := t.load(ticket)
	switch {
	case err == nil:
		t.counts.found.Add(1)
	case errors.Is(err, client.ErrNotFound):
		t.counts.missing.Add(1)
	default:
		t.counts.notLoaded.Add(1)
		t.failed(err)
	}
	return session, nil
}

// load gets a session and opens it. One that is used up and one that is not there are both
// client.ErrNotFound.
func (t *Tickets) load(ticket []byte) (*tls.SessionState, error) {
	id, err := idOf(ticket, t.Name)
	if err != nil {
		return nil, err
	}
	value, err := t.cache.Get(context.Background(), id)
	if err != nil {
		return nil, err
	}
	state, err := open(ticket, t.keys, t.Name, value)
	if err != nil {
		return nil, err
	}
	session, err := tls.ParseSessionState(state) // of another version of crypto/tls, perhaps
	if err == nil && t.SingleUse {
		err = t.cache.Remove(context.Background(), id)
	}
	if err != nil {
		return nil, err
	}
	return session, nil
}

func (t *Tickets) failed(err error) {
	if t.OnError != nil {
		t.OnError(err)
	}
}

// Counts are totals since New.
type Counts struct {
	Stored    uint64 // sessions that the cache took
	NotStored uint64 // sessions that it did not take: their tickets lead to full handshakes
	Found     uint64 // tickets whose session was found; crypto/tls may still refuse to resume it
	Missing   uint64 // tickets whose session was not in the cache: expired, evicted, used up, or never there
	NotLoaded uint64 // tickets for which the cache gave no answer, or a value that does not open
}

// counters are Counts while handshakes go on.
type counters struct{ stored, notStored, found, missing, notLoaded atomic.Uint64 }

// Counts returns the totals.
func (t *Tickets) Counts() Counts {
	c := &t.counts
	return Counts{Stored: c.stored.Load(), NotStored: c.notStored.Load(), Found: c.found.Load(),
		Missing: c.missing.Load(), NotLoaded: c.notLoaded.Load()}
}
