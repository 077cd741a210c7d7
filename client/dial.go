package client

import (
	"context"
	"errors"
	"net"
	"syscall"
	"time"
)

// A unix socket whose backlog is full refuses with EAGAIN where TCP would wait: it is tried
// again after a pause, which grows from the first of these to the second.
const (
	firstPause = time.Millisecond
	lastPause  = 16 * time.Millisecond
)

// connect makes a new connection. Its error is that of the context, or wraps
// ErrDisconnected and the reason.
func (c *Client) connect(ctx context.Context) (*conn, error) {
	var dialer net.Dialer
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		socket, err := dialer.DialContext(ctx, c.to.network, c.to.address)
		if err == nil {
			return newConn(socket), nil
		}
		if !errors.Is(err, syscall.EAGAIN) {
			return nil, failure(ctx, err)
		}
		select {
		case <-ctx.Done():
			return nil, failure(ctx, err)
		case <-time.After(pause):
		}
	}
}
