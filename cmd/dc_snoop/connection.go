package main

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"time"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/engine/socket"
	"golang.org/x/sys/unix"
)

// readBuffer is the most that one read passes on, in bytes. It fits a packet of a capture, and
// holds the longest answer: no read then ends within the bytes that carry a barrier.
const readBuffer = 33 << 10

// lingerTime is how long a server may go on answering a client that has left.
const lingerTime = 5 * time.Second

// connection is one client and its connection to the server.
type connection struct {
	client  half
	watcher *watcher
	buffers *sync.Pool // of *[readBuffer]byte
	barrier *socket.Barrier
}

// run passes bytes both ways, until both sides have ended or life is done. It connects to the
// server unless ctx is done.
func (c *connection) run(ctx, life context.Context, to address.Address, config *tls.Config) {
	defer c.client.Close()
	server, err := dial(ctx, to, config, nil)
	if err != nil {
		c.watcher.refused(time.Now(), err)
		return
	}
	defer server.Close()
	defer context.AfterFunc(life, func() {
		_ = c.client.Close()
		_ = server.Close()
	})()
	c.watcher.connected(time.Now())
	answers := make(chan struct{})
	go func() {
		defer close(answers)
		c.pass(codec.Response, server, c.client)
	}()
	c.pass(codec.Request, c.client, server)
	<-answers
}

// pass carries one direction. The watcher sees bytes before they are passed on, so that it
// never sees an answer before its request.
//
// The end of from, whether orderly or not, becomes an orderly end for to: all that was read
// is delivered, and the other direction goes on.
func (c *connection) pass(dir codec.Direction, from, to half) {
	buf := c.buffers.Get().(*[readBuffer]byte)
	defer c.buffers.Put(buf)
	p := newParting(dir, from, to, c.barrier)
	for {
		n, ends, err := p.read(buf[:])
		if n > 0 {
			c.watcher.saw(time.Now(), dir, buf[:n])
			if err := p.write(buf[:n], ends); err != nil {
				c.watcher.undelivered(time.Now(), dir, err)
				c.unheard(dir, from, buf[:])
				return
			}
		}
		if err != nil {
			c.watcher.finished(time.Now(), dir, err)
			_ = to.CloseWrite()
			return
		}
	}
}

// unheard ends a direction whose receiver has gone. A client learns it at once, by an error
// when it writes. A server does not: it would give up the client's last requests. dc_snoop
// drops its answers until it ends, or lingerTime is over.
func (c *connection) unheard(dir codec.Direction, from half, buf []byte) {
	defer from.CloseRead()
	if dir == codec.Request {
		return
	}
	_ = from.SetReadDeadline(time.Now().Add(lingerTime))
	for {
		n, err := from.Read(buf)
		c.watcher.saw(time.Now(), dir, buf[:n])
		if err != nil {
			return
		}
	}
}

// barred is how many of the bytes before the end of a read carry the barrier, as in engine.
const barred = 8

// parting carries one direction of a connection. Over unix sockets it also passes on where a
// server ends a read: before the last frame of answers that old clients misread
// (docs/PROTOCOL.md, “Known clients”). The descriptor that the server sends for this stays
// behind; the client is sent one of /dev/null.
type parting struct {
	from, to half
	server   *net.UnixConn   // from; nil: there are no ends of reads to pass on
	client   syscall.RawConn // to
	barrier  *socket.Barrier
	sent     bool // the client may have a descriptor in the kernel, unread
}

// newParting carries bytes from one end to the other. barrier may be nil.
func newParting(dir codec.Direction, from, to half, barrier *socket.Barrier) *parting {
	p := &parting{from: from, to: to}
	server, unixServer := from.(*net.UnixConn)
	client, unixClient := to.(*net.UnixConn)
	if dir == codec.Request || barrier == nil || !unixServer || !unixClient {
		return p
	}
	if raw, err := client.SyscallConn(); err == nil {
		p.server, p.client, p.barrier = server, raw, barrier
	}
	return p
}

// read reads, and reports whether the server has ended the read behind these bytes. At the end
// of the stream the error is io.EOF.
func (p *parting) read(buf []byte) (n int, ends bool, err error) {
	if p.server == nil {
		n, err = p.from.Read(buf)
		return n, false, err
	}
	// The call has no room for descriptors: the kernel closes them, and says that there were some.
	n, _, flags, _, err := p.server.ReadMsgUnix(buf, nil)
	if errors.Is(err, io.EOF) {
		err = io.EOF
	}
	return max(n, 0), flags&unix.MSG_CTRUNC != 0, err
}

// write writes all of b. If ends is set, no read of the client takes bytes of b together with
// bytes that follow, unless the client has not yet read up to the last such end: so a client
// keeps one descriptor in the kernel at most.
func (p *parting) write(b []byte, ends bool) error {
	if p.sent {
		_ = p.client.Control(func(fd uintptr) { p.sent = socket.Unread(int(fd)) > 0 })
	}
	if ends && !p.sent {
		open := max(0, len(b)-barred)
		if err := writeAll(p.to, b[:open]); err != nil {
			return err
		}
		b = b[open:]
		b = b[p.writeBarred(b):]
	}
	return writeAll(p.to, b)
}

// writeBarred writes b with a descriptor. It returns how much the socket took; a write of the
// rest meets the error again, if there was one.
func (p *parting) writeBarred(b []byte) (n int) {
	_ = p.client.Write(func(fd uintptr) bool {
		var err error
		n, err = p.barrier.Write(int(fd), b)
		return err != unix.EAGAIN
	})
	p.sent = n > 0
	return n
}

// writeAll makes no call for nothing, which could meet an error.
func writeAll(to half, b []byte) error {
	if len(b) == 0 {
		return nil
	}
	_, err := to.Write(b)
	return err
}
