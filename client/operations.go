package client

import (
	"context"
	"errors"
	"time"

	"distcache/codec"
)

// Add stores a session under an ID of 1 to 64 bytes, for ttl, unless there is one already.
// The data has 1 to MaxData(len(id)) bytes. Of ttl, 1 ms to 7 days, whole milliseconds
// count and the rest is cut off: a session never lives longer than was asked for.
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

// Get returns the session of that ID. The bytes are the caller's.
//
// An answer of one byte cannot be told from a status: 1 and 2 are taken as such. No TLS
// session is of one byte, and Add stores none of those two.
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
