package client

import (
	"fmt"
	"time"
)

const (
	// DefaultTimeout is the Timeout of Options that do not say.
	DefaultTimeout = 2 * time.Second
	// DefaultMaxIdle is the MaxIdle of Options that do not say.
	DefaultMaxIdle = 8
)

// Options say how a Client connects. The zero value is right for an agent on the same
// host: a connection per operation.
type Options struct {
	// Persistent keeps connections for later operations. A kept connection that the service
	// has closed meanwhile, as dc_client -idle does, is noticed and replaced before it is used.
	Persistent bool
	// Retry asks once more, over a new connection, when a kept connection turns out to be
	// dropped after the request was sent and before any byte of the answer came: the service
	// closed it at that very moment. All four operations are repeated; a session is only ever
	// added when it is absent, so a second Add overwrites nothing. What the second answer can
	// be is told at Error.Retried. Retry has no effect without Persistent.
	Retry bool
	// Timeout is the longest that one operation may take, with connecting and Retry; 0 is
	// DefaultTimeout. A context can shorten it, and not lengthen it.
	Timeout time.Duration
	// MaxIdle is how many connections Persistent keeps while they are not in use; 0 is
	// DefaultMaxIdle. When there are more, the one that just got free is closed.
	MaxIdle int
}

// complete puts in what was not said. Its error wraps ErrOptions.
func (o Options) complete() (Options, error) {
	switch {
	case o.Timeout < 0:
		return o, fmt.Errorf("%w: a Timeout of %v is negative", ErrOptions, o.Timeout)
	case o.MaxIdle < 0:
		return o, fmt.Errorf("%w: a MaxIdle of %d is negative", ErrOptions, o.MaxIdle)
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.MaxIdle == 0 {
		o.MaxIdle = DefaultMaxIdle
	}
	return o, nil
}
