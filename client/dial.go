package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"sync"
	"time"

	"distcache/codec/address"
)

// dialer connects to an address. A look-up of its host name goes on when the operation that began
// it is over: the next one uses its result. While a later look-up takes long or fails, what was
// found before serves. It is safe for concurrent use.
type dialer struct {
	to address.Address

	mu      sync.Mutex
	lookup  *address.Lookup  // the last one; nil: none
	known   []netip.AddrPort // what was found last
	waiting int              // operations that wait for a look-up
	closed  bool             // the Client is closed: the last operation that waits ends the look-up
}

// dial connects within the time of ctx.
func (d *dialer) dial(ctx context.Context) (net.Conn, error) {
	if _, err := netip.ParseAddr(d.to.Host); err == nil || d.to.Kind != address.TCP {
		return d.to.Dial(ctx)
	}
	found, err := d.resolve(ctx)
	if err != nil {
		return nil, err
	}
	return address.DialAny(ctx, found)
}

// resolve finds the addresses of the host. When others are known, it waits for a quarter of the
// time.
func (d *dialer) resolve(ctx context.Context) ([]netip.AddrPort, error) {
	lookup, known := d.current()
	wait := ctx
	if end, ok := ctx.Deadline(); ok && len(known) > 0 {
		var cancel context.CancelFunc
		wait, cancel = context.WithTimeout(ctx, time.Until(end)/4)
		defer cancel()
	}
	found, err := lookup.Wait(wait)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.waiting--
	d.cancel()
	switch {
	case err == nil:
		d.known = found
	case len(known) > 0 && ctx.Err() == nil:
		return known, nil
	}
	return found, err
}

// close ends the look-up: at once, or with the last operation that waits for it.
func (d *dialer) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
	d.cancel()
}

func (d *dialer) cancel() {
	if d.closed && d.waiting == 0 && d.lookup != nil {
		d.lookup.Cancel()
	}
}

// current is the look-up to wait for: the one under way, one that has ended and was not used yet,
// or else a new one.
func (d *dialer) current() (lookup *address.Lookup, known []netip.AddrPort) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.lookup == nil || d.lookup.Used() {
		d.lookup = address.StartLookup(d.to)
	}
	d.waiting++
	return d.lookup, d.known
}

// checkable returns an error that wraps ErrOptions if Options.CheckListener is set and
// cannot be kept at this address.
func (o Options) checkable(to address.Address) error {
	network, _ := to.Endpoint()
	switch {
	case !o.CheckListener:
		return nil
	case network != "unix":
		return fmt.Errorf("%w: CheckListener needs a unix socket, which %v is not", ErrOptions, to)
	case !knowsListener:
		return fmt.Errorf("%w: CheckListener works on Linux alone", ErrOptions)
	}
	return nil
}

// checkListener returns an error that wraps ErrListener, unless root, the user of this
// process or one of Options.ListenerUIDs listens at the other end of socket.
func (o Options) checkListener(socket net.Conn) error {
	if !o.CheckListener {
		return nil
	}
	uid, err := listenerUID(socket)
	if err != nil {
		return fmt.Errorf("%w: its user is not known: %w", ErrListener, err)
	}
	if !o.trusts(uid) {
		return fmt.Errorf("%w: it runs as user %d", ErrListener, uid)
	}
	return nil
}

func (o Options) trusts(uid int) bool {
	return uid == 0 || uid == os.Geteuid() || slices.Contains(o.ListenerUIDs, uid)
}

var errNoCredentials = errors.New("the connection has no credentials")
