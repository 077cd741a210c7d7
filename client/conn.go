package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"syscall"
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

	released time.Time // where it is kept for a while
}

func newConn(socket net.Conn) *conn {
	return &conn{socket: socket, uid: rand.Uint32(), buf: make([]byte, 0, firstBuffer)}
}

// close ignores the error: no answer is awaited any more.
func (c *conn) close() { _ = c.socket.Close() }

// loss is what became of a request whose connection failed.
type loss uint8

const (
	noLoss   loss = iota // none: the answer came, a part of it, or another fault
	unsure               // the connection ended, and the service may have carried out the request
	notTaken             // the connection ended before the service had taken the whole request
)

// exchange sends a request and returns the payload of its answer, which the caller may keep.
// After an error the connection is spoilt, and lost is of use.
func (c *conn) exchange(ctx context.Context, op codec.Op, payload []byte) (answer []byte, lost loss, err error) {
	stop := context.AfterFunc(ctx, c.giveUp)
	answer, lost, err = c.send(op, payload)
	if !stop() || err != nil {
		c.spoilt = true
	}
	return answer, lost, err
}

// giveUp ends a read or write of the connection, from another goroutine.
func (c *conn) giveUp() { _ = c.socket.SetDeadline(time.Unix(1, 0)) }

func (c *conn) send(op codec.Op, payload []byte) (answer []byte, lost loss, err error) {
	c.uid++
	c.buf = codec.AppendMessage(c.buf[:0], codec.Request, c.uid, op, payload)
	if _, err := c.socket.Write(c.buf); err != nil {
		return nil, notTaken, err
	}
	m, err := c.receive()
	switch {
	case err != nil && len(c.buf) > 0:
		return nil, noLoss, err
	case err != nil && c.reportsUnread(err):
		return nil, notTaken, err
	case err != nil:
		return nil, unsure, err
	}
	if m.UID != c.uid || m.Op != op {
		return nil, noLoss, fmt.Errorf("%w: it is for uid %08x, %v; the request was uid %08x, %v", ErrProtocol, m.UID, m.Op, c.uid, op)
	}
	if m.Single() {
		return bytes.Clone(m.Payload(nil)), noLoss, nil
	}
	return m.Payload(make([]byte, 0, m.PayloadLen)), noLoss, nil
}

// reportsUnread reports whether err says that the service closed the connection and had not read all
// that was sent. Only a unix socket is sure of that.
func (c *conn) reportsUnread(err error) bool {
	_, isUnix := c.socket.(*net.UnixConn)
	return isUnix && errors.Is(err, syscall.ECONNRESET)
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
