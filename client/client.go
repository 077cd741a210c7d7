package client

import (
	"context"
	"fmt"
	"sync"
)

// Client asks one service. It is safe for concurrent use.
type Client struct {
	address string // as it was given
	to      endpoint
	opt     Options
	late    error // the reason why an operation was given up after Options.Timeout

	mu     sync.Mutex
	idle   []*conn // the one that got free last is the last, and used first
	closed bool
}

// Open returns a Client of the service at that address: UNIX:/path, IP:host:port,
// IPv4:host:port or IPv6:host:port, an IPv6 address in brackets. It connects to nothing, so
// the service need not be there yet. Its error wraps ErrAddress or ErrOptions.
func Open(address string, opt Options) (*Client, error) {
	opt, err := opt.complete()
	if err != nil {
		return nil, err
	}
	to, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	late := fmt.Errorf("no answer within %v: %w", opt.Timeout, context.DeadlineExceeded)
	return &Client{address: address, to: to, opt: opt, late: late}, nil
}

// Dial is Open, and connects, so that a service which is not there is noticed at once. A
// persistent Client uses that connection for its first operation. Beside the errors of Open
// it returns one that wraps ErrDisconnected, or that of the context.
func Dial(ctx context.Context, address string, opt Options) (*Client, error) {
	c, err := Open(address, opt)
	if err != nil {
		return nil, err
	}
	ctx, cancel := c.limit(ctx)
	defer cancel()
	first, err := c.connect(ctx)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	c.release(first)
	return c, nil
}

// Close closes the connections that are kept. Operations that are under way end as they
// would have; later ones return ErrClosed. The error is nil.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, idle := range c.idle {
		idle.close()
	}
	c.idle = nil
	return nil
}

// limit gives ctx the deadline of one operation.
func (c *Client) limit(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.opt.Timeout, c.late)
}
