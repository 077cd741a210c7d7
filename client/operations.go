package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"distcache/codec"
)

// Add stores a session under an ID of 1 to 64 bytes, for ttl, unless there is one already.
// The data has 1 to MaxData(len(id)) bytes. ttl is 1 ms to 7 days; Add cuts it to whole
// milliseconds, so a session never lives longer than ttl.
//
// The error wraps ErrExists, ErrRejected, ErrDisconnected, ErrProtocol, that of the
// context or ErrClosed, or, when nothing was sent because of a limit, ErrID, ErrData or
// ErrTTL.
func (c *Client) Add(ctx context.Context, id, data []byte, ttl time.Duration) error {
	a := codec.Add{Timeout: ttl, ID: id, Data: data}
	if err := checkAdd(a); err != nil {
		return c.refuse(codec.OpAdd, err)
	}
	payload := make([]byte, 0, codec.AddOverhead+len(id)+len(data))
	_, err := c.ask(ctx, request{codec.OpAdd, codec.AppendAdd(payload, a), judgeAdd})
	return err
}

// Get returns the session of that ID. The caller may keep the bytes.
//
// Get takes an answer of the single byte 1 or 2 for a status. No TLS session has one byte,
// and Add refuses those two.
//
// The error wraps ErrNotFound, ErrDisconnected, ErrProtocol, that of the context or
// ErrClosed, or, when nothing was sent, ErrID.
func (c *Client) Get(ctx context.Context, id []byte) ([]byte, error) {
	if err := checkID(id); err != nil {
		return nil, c.refuse(codec.OpGet, err)
	}
	return c.ask(ctx, request{codec.OpGet, id, judgeGet})
}

// Remove removes the session of that ID. Its errors are those of Get.
func (c *Client) Remove(ctx context.Context, id []byte) error {
	if err := checkID(id); err != nil {
		return c.refuse(codec.OpRemove, err)
	}
	_, err := c.ask(ctx, request{codec.OpRemove, id, judgeFound})
	return err
}

// Have reports whether the cache holds a session of that ID. Its errors are those of Get,
// without ErrNotFound.
func (c *Client) Have(ctx context.Context, id []byte) (bool, error) {
	if err := checkID(id); err != nil {
		return false, c.refuse(codec.OpHave, err)
	}
	_, err := c.ask(ctx, request{codec.OpHave, id, judgeFound})
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// request is one operation. judge tells success or failure from the payload of the answer.
type request struct {
	op      codec.Op
	payload []byte
	judge   func(answer []byte) error
}

// ask sends a request and returns the payload of its answer. Its error is an *Error.
func (c *Client) ask(ctx context.Context, r request) ([]byte, error) {
	ctx, cancel := c.limit(ctx)
	defer cancel()
	answer, lost, err := c.attempt(ctx, r, c.takeIdle)
	again := c.mayRepeat(r.op, lost) && ctx.Err() == nil
	if again {
		answer, _, err = c.attempt(ctx, r, noIdle)
	}
	if err != nil {
		return nil, &Error{Op: r.op, Address: c.address, Retried: again && lost == unsure, Err: err}
	}
	return answer, nil
}

// refuse is the error of an operation that sent nothing.
func (c *Client) refuse(op codec.Op, err error) error {
	return &Error{Op: op, Address: c.address, Err: err}
}

// noIdle makes an attempt use a new connection: the service may have closed the idle ones as well.
func noIdle() *conn { return nil }

// mayRepeat reports whether a request that was lost with a kept connection is sent once more. One that was
// not taken is sent once that way. Of another one nobody knows whether it was carried out: a second
// Add could meet the session that the first one stored. It is repeated if Options.Retry says so, or,
// where the caller asked for a connection of its own, if asking twice changes nothing.
func (c *Client) mayRepeat(op codec.Op, lost loss) bool {
	switch lost {
	case notTaken:
		return true
	case unsure:
		if c.opt.Persistent {
			return c.opt.Retry
		}
		return op == codec.OpGet || op == codec.OpHave
	}
	return false
}

// attempt sends the request over one connection. lost is what became of it if that was a kept one.
func (c *Client) attempt(ctx context.Context, r request, idle func() *conn) (answer []byte, lost loss, err error) {
	over, err := c.acquire(ctx, idle)
	if err != nil {
		return nil, noLoss, err
	}
	defer c.release(over)
	answer, lost, err = over.exchange(ctx, r.op, r.payload)
	if err != nil {
		if !over.used {
			lost = noLoss
		}
		return nil, lost, failure(ctx, err)
	}
	err = r.judge(answer)
	over.spoilt = over.spoilt || errors.Is(err, ErrProtocol)
	return answer, noLoss, err
}

// acquire returns an idle connection or makes a new one. Its error is that of the context,
// or wraps ErrClosed, ErrDisconnected or ErrListener.
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
	socket, err := c.dialer.dial(ctx)
	if err != nil {
		return nil, failure(ctx, err)
	}
	if err := c.opt.checkListener(socket); err != nil {
		_ = socket.Close()
		return nil, err
	}
	return newConn(socket), nil
}

// failure turns an error of the network into one of this package or of the context.
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
		return fmt.Errorf("%w: it closed the connection before the answer: %w", ErrDisconnected, io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("%w: %w", ErrDisconnected, err)
}

// givenUp is the error of an operation whose ctx is done. It wraps context.DeadlineExceeded
// or context.Canceled, and the cause that the caller may have set.
func givenUp(ctx context.Context) error {
	reason, cause := ctx.Err(), context.Cause(ctx)
	if errors.Is(cause, reason) {
		return cause
	}
	return fmt.Errorf("%w: %w", reason, cause)
}

// MaxData is the greatest length of a session, in bytes, when its ID has idLen bytes. An ADD
// carries both in a message of at most 32,768 bytes: 32,728 are left beside an ID of 32.
func MaxData(idLen int) int { return codec.MaxPayload - codec.AddOverhead - idLen }

// checkID returns an error that wraps ErrID, or nil.
func checkID(id []byte) error {
	if !codec.ValidID(id) {
		return fmt.Errorf("%w, not %d", ErrID, len(id))
	}
	return nil
}

// checkAdd returns an error that wraps ErrID, ErrData or ErrTTL, or nil.
func checkAdd(a codec.Add) error {
	if err := checkID(a.ID); err != nil {
		return err
	}
	switch n := len(a.Data); {
	case n == 0 || n > MaxData(len(a.ID)):
		return fmt.Errorf("%w: with an ID of %d bytes, data has 1 to %d bytes, not %d", ErrData, len(a.ID), MaxData(len(a.ID)), n)
	case isFailure(a.Data):
		return fmt.Errorf("%w: a GET could not tell the single byte %d from the status %v", ErrData, a.Data[0], codec.Status(a.Data[0]))
	case a.Timeout < time.Millisecond || a.Timeout > codec.MaxTimeout:
		return fmt.Errorf("%w, not for %v", ErrTTL, a.Timeout)
	}
	return nil
}

// isFailure reports whether the payload of an answer to a GET is a status. One byte of any
// other value is a session: those codes are not given to a GET (PROTOCOL.md, “Operations”).
func isFailure(payload []byte) bool {
	if len(payload) != 1 {
		return false
	}
	s := codec.Status(payload[0])
	return s == codec.StatusNotOK || s == codec.StatusDisconnected
}

// judgeAdd, judgeGet and judgeFound return the error that the payload of an answer to an
// ADD, a GET, and a REMOVE or HAVE stands for (PROTOCOL.md, “Operations”); nil is success.

func judgeAdd(answer []byte) error {
	s, err := statusOf(answer)
	switch {
	case err != nil:
		return err
	case s == codec.StatusOK:
		return nil
	case s == codec.StatusAddExists:
		return ErrExists
	case s == codec.StatusNotOK || s >= codec.StatusAddCorrupt && s <= codec.StatusAddDataLen:
		return fmt.Errorf("%w: it answered %v", ErrRejected, s)
	}
	return unknown(s)
}

func judgeGet(answer []byte) error {
	if len(answer) > 0 && !isFailure(answer) {
		return nil
	}
	return judgeFound(answer)
}

func judgeFound(answer []byte) error {
	s, err := statusOf(answer)
	switch {
	case err != nil:
		return err
	case s == codec.StatusOK:
		return nil
	case s == codec.StatusNotOK:
		return ErrNotFound
	}
	return unknown(s)
}

// statusOf reads an answer as one status byte. DISCONNECTED becomes ErrDisconnected. An old
// dc_client sends an empty answer instead (PROTOCOL.md, “What dc_client does to a frame”).
func statusOf(answer []byte) (codec.Status, error) {
	switch len(answer) {
	case 0:
		return 0, fmt.Errorf("%w: the agent sent an empty answer, so it has no server", ErrDisconnected)
	case 1:
		if s := codec.Status(answer[0]); s != codec.StatusDisconnected {
			return s, nil
		}
		return 0, fmt.Errorf("%w: the agent answered %v", ErrDisconnected, codec.StatusDisconnected)
	}
	return 0, fmt.Errorf("%w: want one status byte, got %d bytes", ErrProtocol, len(answer))
}

func unknown(s codec.Status) error { return fmt.Errorf("%w: unknown status %v", ErrProtocol, s) }
