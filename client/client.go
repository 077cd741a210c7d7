package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"distcache/codec/address"
)

const (
	// DefaultTimeout is the Timeout of Options that set none.
	DefaultTimeout = 2 * time.Second
	// DefaultMaxIdle is the MaxIdle of Options that set none.
	DefaultMaxIdle = 8
	// DefaultKeep is the Keep of Options that set none.
	DefaultKeep = time.Second
	// maxKept is how many connections a Client keeps that is not Persistent. Further ones are closed.
	maxKept = 8
)

// Options say how a Client connects. The zero value is right for an agent on the same
// host: a connection per operation, used again when the next one comes soon.
type Options struct {
	// Persistent keeps connections for later operations. The Client notices that the service
	// has closed one, as dc_client -idle does, and replaces it before use.
	Persistent bool
	// Keep is how long a Client that is not Persistent keeps a connection after its last use; 0 is
	// DefaultKeep, and with a negative Keep each operation opens a connection and closes it
	// afterwards. Eight are kept at most. Where an operation finds its kept connection closed it uses
	// a new one, unless it is an Add or a Remove that the service may have carried out already:
	// that one fails with ErrDisconnected, as it does on a new connection.
	Keep time.Duration
	// Retry sends a request once more, over a new connection, when the service closed a kept
	// connection after the request was sent and before any byte of the answer came. It
	// applies to all four operations: Add only stores an absent session, so a second Add
	// overwrites nothing. Error.Retried says what the second answer can be. Retry has no
	// effect without Persistent.
	Retry bool
	// Timeout is the longest that one operation may take, with connecting and Retry; 0 is
	// DefaultTimeout. A context can shorten it, and not lengthen it.
	Timeout time.Duration
	// MaxIdle is how many idle connections Persistent keeps; 0 is DefaultMaxIdle. The Client
	// closes a connection that is released when there are as many already.
	MaxIdle int
	// CheckListener asks the kernel, for each new connection, which user listens at the unix
	// socket. Nothing is sent unless that is root, the user of this process or one of
	// ListenerUIDs. Without it, anybody who can put a socket at the address gets the sessions.
	// The user is that of the time of listen(2): a dc_client that was started as root counts as
	// root. It needs Linux and a UNIX: address; else Open returns ErrOptions.
	CheckListener bool
	// ListenerUIDs are further users that CheckListener trusts.
	ListenerUIDs []int
}

// complete sets the defaults. Its error wraps ErrOptions.
func (o Options) complete() (Options, error) {
	switch {
	case o.Timeout < 0:
		return o, fmt.Errorf("%w: a Timeout of %v is negative", ErrOptions, o.Timeout)
	case len(o.ListenerUIDs) > 0 && !o.CheckListener:
		return o, fmt.Errorf("%w: ListenerUIDs without CheckListener", ErrOptions)
	case o.MaxIdle < 0:
		return o, fmt.Errorf("%w: a MaxIdle of %d is negative", ErrOptions, o.MaxIdle)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = DefaultMaxIdle
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
	if !o.Persistent {
		o.MaxIdle = maxKept
		if o.Keep < 0 || !looksAhead {
			o.MaxIdle = 0
		}
	}
	return o, nil
}

// Client asks one service. It is safe for concurrent use.
type Client struct {
	address string // as it was given
	dialer  dialer
	opt     Options
	late    error // the cause that a context has when Options.Timeout is over

	mu     sync.Mutex
	idle   []*conn     // the last one was released last, and is used first
	sweep  *time.Timer // closes those that are kept for too long; nil: none are
	closed bool
}

// Open returns a Client of the service at an address: UNIX:/path, IP:host:port,
// IPv4:host:port or IPv6:host:port, with an IPv6 address in brackets. It does not connect,
// so the service need not be up yet. Its error wraps ErrAddress or ErrOptions.
func Open(addr string, opt Options) (*Client, error) {
	opt, err := opt.complete()
	if err != nil {
		return nil, err
	}
	to, err := address.ParseConnect(addr)
	if err != nil {
		if bad, ok := errors.AsType[*address.Error](err); ok {
			err = bad.Err // its text begins as that of ErrAddress
		}
		return nil, fmt.Errorf("%w %q: %w", ErrAddress, addr, err)
	}
	if err := opt.checkable(to); err != nil {
		return nil, err
	}
	late := fmt.Errorf("no answer within %v: %w", opt.Timeout, context.DeadlineExceeded)
	return &Client{address: addr, dialer: dialer{to: to}, opt: opt, late: late}, nil
}

// Dial is Open, and connects, so that the caller learns at once that the service is down. The
// first operation uses that connection if it is kept. Beside the errors of Open
// it returns an error that wraps ErrDisconnected or ErrListener, or the error of the context.
func Dial(ctx context.Context, addr string, opt Options) (*Client, error) {
	c, err := Open(addr, opt)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	first, err := c.acquire(ctx, noIdle)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	c.release(first)
	return c, nil
}

// Close closes the idle connections, and ends a look-up that no operation waits for. Operations in flight end as they would have; later
// ones return ErrClosed. The error is always nil.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, idle := range c.idle {
		idle.close()
	}
	c.idle = nil
	if c.sweep != nil {
		c.sweep.Stop()
	}
	c.dialer.close()
	return nil
}

// limit gives ctx the deadline of one operation.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.opt.Timeout, c.late)
}

// takeIdle returns the idle connection that was used last and is still good, or nil.
func (c *Client) takeIdle() *conn {
	for {
		kept := c.popIdle()
		if kept == nil || isQuiet(kept.socket) {
			return kept
		}
		kept.close()
	}
}

func (c *Client) popIdle() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	kept := c.idle[last]
	c.idle[last] = nil
	c.idle = c.idle[:last]
	kept.used = true
	return kept
}

// release keeps a connection for the next operation, or closes it.
func (c *Client) release(free *conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed || free.spoilt || len(c.idle) >= c.opt.MaxIdle {
		free.close()
		return
	}
	c.idle = append(c.idle, free)
	if c.opt.Persistent {
		return
	}
	free.released = time.Now()
	if c.sweep == nil {
		c.sweep = time.AfterFunc(c.opt.Keep, c.closeOld)
	}
}

// closeOld closes the connections that were not used for Options.Keep, and comes again for the others.
func (c *Client) closeOld() {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := 0
	for old < len(c.idle) && time.Since(c.idle[old].released) >= c.opt.Keep {
		c.idle[old].close()
		old++
	}
	c.idle = slices.Delete(c.idle, 0, old)
	if c.sweep = nil; len(c.idle) > 0 {
		c.sweep = time.AfterFunc(c.opt.Keep-time.Since(c.idle[0].released), c.closeOld)
	}
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
