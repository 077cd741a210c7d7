package main

import (
	"errors"
	"io"
	"net"
	"syscall"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/engine/socket"
)

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
