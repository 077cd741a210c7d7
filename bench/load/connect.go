package load

import (
	"time"

	"golang.org/x/sys/unix"
)

const (
	// knockEvery is how often those try again whose connection found the backlog full.
	knockEvery = int64(time.Millisecond)
	// stashSize is how many sockets are made ahead, so that they are in the same batch as other calls.
	stashSize = 2 * batchAtMost
)

// dial makes the client a connection.
func (l *loop) dial(c *client) {
	fd, ok := l.takeSocket()
	if !ok {
		l.fail(c, FailedConnect)
		return
	}
	c.fd = fd
	l.tally.connections++
	if l.target.family != unix.AF_UNIX && l.config.KeepAlive {
		// Without it a pipelined request would wait for the acknowledgement of the one before.
		_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
	}
	l.knock(c)
}

// knock tries to connect the client's socket. It does not leave that to a batch: an io_uring would wait where the
// backlog is full, and all else with it.
func (l *loop) knock(c *client) {
	switch connectSocket(int(c.fd), l.target.name) {
	case 0, unix.EINPROGRESS:
		c.link = open
	case unix.EAGAIN:
		c.link = knocking
		l.knocking.push(c)
		l.nextChores = min(l.nextChores, l.now+knockEvery)
	default:
		l.fail(c, FailedConnect)
	}
}

// knockAgain tries those that found the backlog full, oldest first, until one finds it full again.
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

// whyLost tells a connection that was never made from one that was lost. TCP says so only at the first use.
func whyLost(errno unix.Errno) Failure {
	switch errno {
	case unix.ECONNREFUSED, unix.EHOSTUNREACH, unix.ENETUNREACH, unix.ETIMEDOUT, unix.ENOTCONN:
		return FailedConnect
	}
	return FailedClosed
}
