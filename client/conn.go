package client

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"distcache/codec"
)

// firstBuffer is room for the answers of common sessions, in bytes. It grows up to
// codec.MaxMessageSize.
const firstBuffer = 512

// conn is one connection. One operation at a time uses it.
type conn struct {
	socket net.Conn
	uid    uint32 // of the last request
	buf    []byte // for the request, then for its answer
	used   bool   // an earlier operation used it
	spoilt bool   // it must not be kept
}

func newConn(socket net.Conn) *conn {
	return &conn{socket: socket, uid: rand.Uint32(), buf: make([]byte, 0, firstBuffer)}
}

// close ignores the error: no answer is awaited any more.
func (c *conn) close() { _ = c.socket.Close() }

// exchange sends a request and returns the payload of its answer, which the caller may keep.
// dropped says that the connection ended before any byte of the answer came. After an error
// the connection is spoilt.
func (c *conn) exchange(ctx context.Context, op codec.Op, payload []byte) (answer []byte, dropped bool, err error) {
	stop := context.AfterFunc(ctx, c.giveUp)
	answer, dropped, err = c.send(op, payload)
	if !stop() || err != nil {
		c.spoilt = true
	}
	return answer, dropped, err
}

// giveUp ends a read or write of the connection, from another goroutine.
func (c *conn) giveUp() { _ = c.socket.SetDeadline(time.Unix(1, 0)) }

func (c *conn) send(op codec.Op, payload []byte) (answer []byte, dropped bool, err error) {
	c.uid++
	c.buf = codec.AppendMessage(c.buf[:0], codec.Request, c.uid, op, payload)
	if _, err := c.socket.Write(c.buf); err != nil {
		return nil, true, err
	}
	m, err := c.receive()
	if err != nil {
		return nil, len(c.buf) == 0, err
	}
	if m.UID != c.uid || m.Op != op {
		return nil, false, fmt.Errorf("%w: it is for uid %08x, %v; the request was uid %08x, %v", ErrProtocol, m.UID, m.Op, c.uid, op)
	}
	if m.Single() {
		return bytes.Clone(m.Payload(nil)), false, nil
	}
	return m.Payload(make([]byte, 0, m.PayloadLen)), false, nil
}

// receive reads one whole answer into buf. Bytes after it spoil the connection.
func (c *conn) receive() (codec.Message, error) {
	assembler := codec.NewAssembler(codec.Response)
	c.buf = c.buf[:0]
	for {
		m, err := assembler.Next(c.buf)
		if err == nil {
			c.spoilt = len(c.buf) > len(m.Wire)
			return m, nil
		}
		if err != codec.ErrShort {
			return m, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if err := c.fill(); err != nil {
			return m, err
		}
	}
}

// fill reads once, after the bytes in buf.
func (c *conn) fill() error {
	if len(c.buf) == cap(c.buf) {
		grown := make([]byte, len(c.buf), min(2*cap(c.buf), codec.MaxMessageSize))
		copy(grown, c.buf)
		c.buf = grown
	}
	n, err := c.socket.Read(c.buf[len(c.buf):cap(c.buf)])
	c.buf = c.buf[:len(c.buf)+n]
	if n > 0 {
		return nil // an error comes again with the next read
	}
	return err
}
