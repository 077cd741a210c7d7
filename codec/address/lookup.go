package address

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// lookupLimit bounds a query of a look-up. It leaves time for several name servers: Go's resolver gives each of them
	// 5 seconds, and asks the next one only after that.
	lookupLimit = 30 * time.Second
	// maxQueries is how many queries of a look-up may be under way. One more is not made.
	maxQueries = 8
)

// ErrNotResolved is returned by Wait when the caller's time is over before the look-up has a result.
var ErrNotResolved = errors.New("no name server has answered yet")

// Lookup is one look-up of the host of a TCP address. It may take longer than the caller has time for: it goes on when
// Wait returns, so that a later Wait finds its result. The later Wait also sends another query, because a name server that
// was silent may answer by now. The first result counts. It is safe for concurrent use.
type Lookup struct {
	of     Address
	ctx    context.Context // of all queries
	cancel context.CancelFunc

	mu      sync.Mutex
	queries int           // under way
	ended   bool          // found and err are there
	done    chan struct{} // closed with that
	found   []netip.AddrPort
	err     error
	gaveUp  bool // a Wait ended without a result, and no query was sent since
	used    atomic.Bool
}

// StartLookup begins to resolve a, on goroutines of its own that end within 30 seconds, or soon after Cancel.
func StartLookup(a Address) *Lookup {
	l := &Lookup{of: a, done: make(chan struct{})}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.query()
	return l
}

// query sends a query on a goroutine of its own. The caller holds mu, or has just made l.
func (l *Lookup) query() {
	l.queries++
	go func() {
		ctx, cancel := context.WithTimeout(l.ctx, lookupLimit)
		defer cancel()
		// Each query has a resolver of its own: a resolver joins look-ups of the same name, also with an earlier one that
		// still waits for a silent name server.
		resolver := net.Resolver{PreferGo: net.DefaultResolver.PreferGo, Dial: net.DefaultResolver.Dial}
		l.result(l.of.Resolve(ctx, &resolver))
	}()
}

// result takes the result of a query. The first one counts.
func (l *Lookup) result(found []netip.AddrPort, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queries--
	if l.ended {
		return
	}
	l.ended, l.found, l.err = true, found, err
	close(l.done)
	l.cancel() // the others
}

// Wait gives the addresses found, or the error of Resolve. When ctx ends before, the error wraps ErrNotResolved.
func (l *Lookup) Wait(ctx context.Context) ([]netip.AddrPort, error) {
	l.mu.Lock()
	if l.gaveUp && !l.ended && l.queries < maxQueries {
		l.gaveUp = false
		l.query()
	}
	l.mu.Unlock()
	select {
	case <-l.done:
		l.used.Store(true)
		return l.found, l.err
	case <-ctx.Done():
		l.mu.Lock()
		l.gaveUp = true
		l.mu.Unlock()
		return nil, ErrNotResolved
	}
}

// Used reports whether Wait has given the result. It may be old by now: the next caller should start another look-up.
func (l *Lookup) Used() bool { return l.used.Load() }

// Cancel ends the look-up, should it not have ended.
func (l *Lookup) Cancel() { l.cancel() }

// DialAny connects to the first of the addresses that accepts. Each has an equal share of the time that is left until ctx
// is done. The error is that of net.Dialer for the last one that was tried.
func DialAny(ctx context.Context, all []netip.AddrPort) (conn net.Conn, err error) {
	for i, to := range all {
		conn, err = dialWithin(ctx, to, len(all)-i)
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return conn, err
}

// dialWithin connects to one of so many addresses that are left.
func dialWithin(ctx context.Context, to netip.AddrPort, left int) (net.Conn, error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/time.Duration(left))
		defer cancel()
	}
	var dialer net.Dialer
	return dialer.DialContext(ctx, "tcp", to.String())
}
