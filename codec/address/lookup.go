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
