package conn

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"

	"distcache/codec/address"
	"distcache/engine/secure"
	"distcache/engine/socket"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

const (
	// dialLimit bounds an attempt until it is connected. It is less than a whole attempt, so that
	// the log tells what was being done.
	dialLimit = upstream.AttemptTimeout * 95 / 100
	// resolveLimit bounds how long an attempt waits for the look-up of the name. It is less than
	// a whole attempt, so that the log tells this reason.
	resolveLimit = upstream.AttemptTimeout * 9 / 10
	// resolveShare bounds it when addresses are known from an earlier attempt.
	resolveShare = upstream.AttemptTimeout / 4
)

// made is what an attempt makes.
type made struct {
	fd      int             // connected; -1: none
	session *secure.Session // over TLS; nil: plain
}

// attempt is one attempt to connect. Its goroutine calls dial, then keep; the loop calls
// take and end.
type attempt struct {
	target address.Address
	lookup *address.Lookup
	route  route       // a snapshot
	config *tls.Config // nil: plain
	cancel context.CancelFunc

	mu    sync.Mutex
	ended bool
	made  made       // not yet taken
	order []endpoint // in which they are tried; nil while the name is being resolved
	tried int        // how many of order have been tried, with the one under way
}

// dial resolves the name and tries its addresses in turn. The descriptor that it makes is
// connected, non-blocking and closed on exec, and a TLS handshake is over. When ctx ends, dial
// returns soon, with its cause.
func (a *attempt) dial(ctx context.Context) (made, error) {
	none := made{fd: -1}
	order, err := a.resolve(ctx)
	for i, e := range order {
		if ctx.Err() != nil {
			break
		}
		a.progress(order, i+1)
		var m made
		if m, err = e.connectWithin(ctx, a.config, i, len(order)); err == nil {
			return m, nil
		}
	}
	if cause := context.Cause(ctx); cause != nil && (err == nil || cause != upstream.ErrAttemptTimeout) {
		return none, cause
	}
	return none, err
}

// resolve finds the addresses to try. When the name does not resolve, or not soon, these are
// the addresses from before: name servers fail together with what they name.
func (a *attempt) resolve(ctx context.Context) ([]endpoint, error) {
	limit := resolveLimit
	if len(a.route.known) > 0 {
		limit = resolveShare
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	found, err := resolve(ctx, a.target, a.lookup)
	if err != nil {
		found = a.route.known
	}
	return a.route.order(found), err
}

// progress notes how far the attempt has come.
func (a *attempt) progress(order []endpoint, tried int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.order, a.tried = order, tried
}

// keep holds m until take or end. It closes m and returns false when the attempt has ended.
func (a *attempt) keep(m made) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made = m
	if a.ended {
		a.closeKept()
	}
	return !a.ended
}

// take gives the connected descriptor to the caller, with the addresses that were found and the
// one that it is connected to.
func (a *attempt) take() (m made, order []endpoint, address string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	m = a.made
	a.made = made{fd: -1}
	return m, a.order, a.order[a.tried-1].name
}

// end cancels the attempt, closes a descriptor that was not taken, and returns what has been
// tried.
func (a *attempt) end() (order []endpoint, tried int) {
	a.cancel()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.closeKept()
	return a.order, a.tried
}

func (a *attempt) closeKept() {
	if a.made.fd >= 0 {
		_ = unix.Close(a.made.fd) // nothing was written to it but a handshake
		a.made = made{fd: -1}
	}
}

// endpoint is one address of the server.
type endpoint struct {
	name             string // for messages
	network, address string // for net.Dialer
}

// connectWithin connects to e, the one with index i of n, within its share of the attempt.
func (e endpoint) connectWithin(ctx context.Context, config *tls.Config, i, n int) (made, error) {
	if i < n-1 { // the last may use what is left
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, share(n))
		defer cancel()
	}
	m, err := e.connect(ctx, config)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		err = errNoAnswer
	case errors.Is(err, unix.ECONNREFUSED):
		err = fmt.Errorf("%w: nothing listens there", err)
	case e.network == "unix" && errors.Is(err, unix.EAGAIN):
		err = fmt.Errorf("%w: the backlog is full, dc_server does not accept", err)
	}
	return m, err
}

// errNoAnswer is why an address is given up that does not even refuse. A client cannot tell these
// causes apart: the kernel of a server with a full backlog drops the SYN, as a firewall does.
var errNoAnswer = fmt.Errorf("connect: %w: no answer to SYN: a firewall, a host that is down, or a full backlog", unix.ETIMEDOUT)

// connect connects to e, and performs the handshake of TLS with config. The descriptor is a duplicate of the one that package net has: that
// leaves the poller of Go's runtime when it is closed, and ours is all that remains.
func (e endpoint) connect(ctx context.Context, config *tls.Config) (m made, err error) {
	m.fd = -1
	dialer := net.Dialer{KeepAlive: -1, FallbackDelay: -1, Control: tune}
	connected, err := dialer.DialContext(ctx, e.network, e.address)
	if err != nil {
		return m, reason(err)
	}
	defer connected.Close()
	if config != nil {
		if m.session, err = secure.Client(ctx, connected, config); err != nil {
			return m, handshakeError(ctx, err)
		}
	}
	raw, err := connected.(syscall.Conn).SyscallConn()
	if err != nil {
		return m, err
	}
	controlErr := raw.Control(func(theirs uintptr) {
		m.fd, err = unix.FcntlInt(theirs, unix.F_DUPFD_CLOEXEC, 0)
	})
	return m, errors.Join(controlErr, socket.Error("fcntl", err))
}

// reason is what is behind an error of net.Dialer, without the address in another notation.
// Package net names the system call of each error but that of its poller.
func reason(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		err = op.Err
	}
	if errno, bare := err.(syscall.Errno); bare {
		return socket.Error("epoll_ctl", errno)
	}
	return err
}

// tune sets the options of a socket before it connects.
func tune(_, _ string, c syscall.RawConn) error {
	var err error
	controlErr := c.Control(func(fd uintptr) { err = socket.TuneTCP(int(fd)) })
	return errors.Join(controlErr, err)
}
