package load

import (
	"distcache/bench/load/plan"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// knockEvery is the time between two tries to connect while the backlog is full.
	knockEvery = int64(time.Millisecond)
	// stashSize is how many sockets are made ahead, so that they are in the same batch as other calls.
	stashSize = 2 * batchAtMost
)

// dial makes the client a connection.
func (l *loop) dial(c *client) {
	fd, ok := l.takeSocket()
	if !ok {
		l.fail(c, plan.FailedConnect)
		return
	}
	c.fd = fd
	l.tally.Connections++
	if l.target.family != unix.AF_UNIX && l.config.KeepAlive {
		// Without it a pipelined request would wait for the acknowledgement of the one before.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	l.knock(c)
}

// knock tries to connect the client's socket. It makes the system call itself: in a batch, an io_uring would wait for
// room in a full backlog, and so would all other calls.
func (l *loop) knock(c *client) {
	switch connectSocket(int(c.fd), l.target.name) {
	case 0, unix.EINPROGRESS:
		c.link = open
	case unix.EAGAIN:
		c.link = knocking
		l.knocking.push(c)
		l.nextChores = min(l.nextChores, l.now+knockEvery)
	default:
		l.fail(c, plan.FailedConnect)
	}
}

// knockAgain tries again for clients that found the backlog full, oldest first, until it is full again.
func (l *loop) knockAgain() {
	for range l.knocking.length {
		c := l.knocking.front()
		l.knocking.remove(c)
		l.knock(c)
		switch c.link {
		case knocking:
			return
		case open:
			l.transmit(c)
			l.carryOutIfFull()
		}
	}
}

// takeSocket returns a new socket, from the stash if there is one.
func (l *loop) takeSocket() (int32, bool) {
	if n := len(l.stash); n > 0 {
		fd := l.stash[n-1]
		l.stash = l.stash[:n-1]
		return fd, true
	}
	fd, errno := openSocket(l.target.family)
	return int32(fd), errno == 0
}

// replenish asks for as many sockets as the stash lacks.
func (l *loop) replenish(b *batch) {
	if l.config.KeepAlive {
		return
	}
	for range min(stashSize, len(l.clients)) - len(l.stash) {
		b.socket()
	}
}

// disconnect closes the client's connection. Its unanswered requests stay; they are all unsent afterwards.
func (l *loop) disconnect(c *client) {
	l.leave(c)
	if c.fd != noFD {
		l.queued.close(c.fd)
	}
	c.fd, c.link, c.served = noFD, closed, false
	c.unsent, c.queued = c.count, 0
	l.giveSpare(c.in)
	l.giveSpare(c.out)
	c.in, c.out = nil, nil
}

// leave takes the client out of the queue or set that it is in.
func (l *loop) leave(c *client) {
	switch c.place {
	case inWaiting:
		l.waiting.remove(c)
	case inKnocking:
		l.knocking.remove(c)
	case inResting:
		l.resting.remove(c)
	case inEpoll:
		l.unwatch(c)
	}
}

// whyLost tells whether a connection was lost or never made. TCP says so only at the first use.
func whyLost(errno unix.Errno) plan.Failure {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ETIMEDOUT, unix.ENOTCONN:
		return plan.FailedConnect
	}
	return plan.FailedClosed
}

// The calls here never block, so they go to the kernel without telling Go's scheduler: that saves more than the loop's
// own work takes. Each returns 0 or the error number.

// openSocket returns a non-blocking stream socket.
func openSocket(family int) (int, unix.Errno) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int(fd), errno
}

// connectSocket begins to connect. name is a socket address as the kernel wants it.
func connectSocket(fd int, name []byte) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)))
	return errno
}

// sendSocket sends what the socket takes of b, which is not empty.
func sendSocket(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// receiveSocket reads what is there, up to len(b), which is not 0. At the end of the stream it returns 0.
func receiveSocket(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// closeSocket cannot fail in a way that matters: nothing unsent is lost that anybody waits for.
func closeSocket(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// again reports whether the call is to be repeated when the socket is ready.
func again(errno unix.Errno) bool {
	return errno == unix.EAGAIN || errno == unix.EINTR
}

// plain is the caller that makes a system call of each call: for kernels without io_uring, or with one that may not be
// used, as in many containers.
type plain struct{ target *target }

func (p *plain) name() string { return "system calls" }

func (p *plain) close() {}

func (p *plain) run(b *batch) {
	for i := range b.calls {
		c := &b.calls[i]
		n, errno := p.call(b, c)
		c.result = int32(n)
		if errno != 0 {
			c.result = -int32(errno)
		}
	}
}

func (p *plain) call(b *batch, c *call) (int, unix.Errno) {
	switch c.kind {
	case callSocket:
		return openSocket(p.target.family)
	case callSend:
		return sendSocket(int(c.fd), b.bytes(c))
	case callReceive:
		return receiveSocket(int(c.fd), b.bytes(c))
	}
	closeSocket(int(c.fd))
	return 0, 0
}
