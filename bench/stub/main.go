// Stub is the fastest upstream that a proxy can have: it answers each request at once with NOTOK, in one write for all
// that came in one read. Unlike the floor, which expects every request in one piece, it takes frames that are cut
// anywhere, and when the proxy does not read for a while, it keeps the answers and goes on reading requests: a proxy that
// does not read while it writes is measured too, rather than locked up.
//
//	stub socket
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"distcache/codec"
)

// bufferSize is how many bytes of requests are taken at a time.
const bufferSize = 256 << 10

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: stub socket")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "stub:", err)
		os.Exit(1)
	}
}

func run(path string) error {
	listener, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return os.NewSyscallError("socket", err)
	}
	if err := unix.Bind(listener, &unix.SockaddrUnix{Name: path}); err != nil {
		return fmt.Errorf("%s: %w", path, os.NewSyscallError("bind", err))
	}
	if err := unix.Listen(listener, 128); err != nil {
		return os.NewSyscallError("listen", err)
	}
	fmt.Fprintln(os.Stderr, "stub ready", path)
	for {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ECONNABORTED) {
			return os.NewSyscallError("accept4", err)
		}
		if err == nil {
			go serve(fd)
		}
	}
}

// connection is one from a proxy.
type connection struct {
	fd     int
	in     []byte
	filled int    // bytes of in that hold requests
	out    []byte // answers that the socket has not taken; empty mostly
}

// serve answers one connection until its end, on a thread of its own: a blocking read wakes sooner than any event loop.
func serve(fd int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	defer unix.Close(fd)
	c := connection{fd: fd, in: make([]byte, bufferSize), out: make([]byte, 0, bufferSize)}
	for c.send() && c.wait() && c.receive() {
	}
}

// wait returns when there are requests, or the socket takes answers again. Without answers to give, receive waits.
func (c *connection) wait() bool {
	if len(c.out) == 0 {
		return true
	}
	fds := []unix.PollFd{{Fd: int32(c.fd), Events: unix.POLLIN | unix.POLLOUT}}
	_, err := unix.Poll(fds, -1)
	return err == nil || errors.Is(err, unix.EINTR)
}

// receive takes what has come, and builds the answers.
func (c *connection) receive() bool {
	flags := 0
	if len(c.out) > 0 {
		flags = unix.MSG_DONTWAIT
	}
	n, _, err := unix.Recvfrom(c.fd, c.in[c.filled:], flags)
	if isAgain(err) {
		return true
	}
	if err != nil || n == 0 {
		return false
	}
	c.filled += n
	taken, err := c.answer(c.in[:c.filled])
	c.filled = copy(c.in, c.in[taken:c.filled])
	return err == nil
}

// answer builds the answers to the whole frames at the start of b, and returns how many bytes those take.
func (c *connection) answer(b []byte) (int, error) {
	taken := 0
	for {
		h, err := codec.ParseHeader(b[taken:], codec.Request)
		if errors.Is(err, codec.ErrShort) || err == nil && len(b)-taken < codec.HeaderSize+h.DataLen {
			return taken, nil
		}
		if err != nil {
			return taken, err
		}
		if h.Complete {
			c.out = codec.AppendStatus(c.out, h.UID, h.Op, codec.StatusNotOK)
		}
		taken += codec.HeaderSize + h.DataLen
	}
}

// send gives the socket what it takes.
func (c *connection) send() bool {
	for len(c.out) > 0 {
		n, err := unix.SendmsgN(c.fd, c.out, nil, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if isAgain(err) {
			return true
		}
		if err != nil {
			return false
		}
		c.out = c.out[:copy(c.out, c.out[n:])]
	}
	return true
}

func isAgain(err error) bool { return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR) }
