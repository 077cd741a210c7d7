package address

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync/atomic"
	"time"
)

// lookupLimit bounds a look-up. It leaves time for several name servers: Go's resolver gives each of them 5 seconds, and
// asks the next one only after that.
const lookupLimit = 30 * time.Second

// ErrNotResolved is returned by Wait when the caller's time is over before the look-up has a result.
var ErrNotResolved = errors.New("no name server has answered yet")

// Lookup is one look-up of the host of a TCP address. It may take longer than the caller has time for: it goes on when
// Wait returns, so that a later Wait finds its result. It is safe for concurrent use.
type Lookup struct {
	cancel context.CancelFunc
	done   chan struct{} // closed when found and err are there
	found  []netip.AddrPort
	err    error
	used   atomic.Bool
}

// StartLookup begins to resolve a, on a goroutine of its own that ends within 30 seconds, or soon after Cancel.
func StartLookup(a Address) *Lookup {
	ctx, cancel := context.WithTimeout(context.Background(), lookupLimit)
	l := &Lookup{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer cancel()
		// Each look-up has a resolver of its own: a resolver joins look-ups of the same name, also with an earlier one that
		// still waits for a silent name server.
		resolver := net.Resolver{PreferGo: net.DefaultResolver.PreferGo, Dial: net.DefaultResolver.Dial}
		l.found, l.err = a.Resolve(ctx, &resolver)
		close(l.done)
	}()
	return l
}

// Wait gives the addresses found, or the error of Resolve. When ctx ends before, the error wraps ErrNotResolved.
func (l *Lookup) Wait(ctx context.Context) ([]netip.AddrPort, error) {
	select {
	case <-l.done:
		l.used.Store(true)
		return l.found, l.err
	case <-ctx.Done():
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
