package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"distcache/codec"
)

// request is one operation as it is asked, and how the payload of its answer is judged.
type request struct {
	op      codec.Op
	payload []byte
	judge   func(answer []byte) error
}

// ask sends a request and returns the payload of its answer. Its error is an *Error.
func (c *Client) ask(ctx context.Context, r request) ([]byte, error) {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	answer, again, err := c.attempt(ctx, r, c.takeIdle)
	if again {
		answer, _, err = c.attempt(ctx, r, noIdle)
	}
	if err != nil {
		return nil, &Error{Op: r.op, Address: c.address, Retried: again, Err: err}
	}
	return answer, nil
}

// refuse is the error of an operation of which nothing was sent.
func (c *Client) refuse(op codec.Op, err error) error {
	return &Error{Op: op, Address: c.address, Err: err}
}

// noIdle makes an attempt use a new connection: the idle ones may have been dropped as well.
func noIdle() *conn { return nil }

// attempt asks over one connection. again says that asking once more is in order.
func (c *Client) attempt(ctx context.Context, r request, idle func() *conn) (answer []byte, again bool, err error) {
	over, err := c.acquire(ctx, idle)
	if err != nil {
		return nil, false, err
	}
	defer c.release(over)
	answer, dropped, err := over.exchange(ctx, r.op, r.payload)
	if err != nil {
		again = dropped && over.used && c.opt.Retry && ctx.Err() == nil
		return nil, again, failure(ctx, err)
	}
	err = r.judge(answer)
	over.spoilt = over.spoilt || errors.Is(err, ErrProtocol)
	return answer, false, err
}

func (c *Client) acquire(ctx context.Context, idle func() *conn) (*conn, error) {
	if c.isClosed() {
		return nil, ErrClosed
	}
	if ctx.Err() != nil {
		return nil, givenUp(ctx)
	}
	if kept := idle(); kept != nil {
		return kept, nil
	}
	return c.connect(ctx)
}

// failure gives an error of the network its meaning.
func failure(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return givenUp(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		// The network can notice the context's deadline before the context does.
		return context.DeadlineExceeded
	case errors.Is(err, ErrProtocol):
		return err
	case err == io.EOF:
		return fmt.Errorf("%w: the connection was closed before the answer: %w", ErrDisconnected, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%w: %w", ErrDisconnected, err)
}

// givenUp returns why ctx is done. It wraps context.DeadlineExceeded or context.Canceled,
// and the cause that the caller may have given.
func givenUp(ctx context.Context) error {
	reason, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, reason) {
		return cause
	}
	return fmt.Errorf("%w: %w", reason, cause)
}
