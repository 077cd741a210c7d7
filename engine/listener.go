package engine

import (
	"log/slog"
	"time"

	"distcache/internal/deadline"
	"distcache/internal/poll"
	"distcache/internal/socket"

	"golang.org/x/sys/unix"
)

const (
	// acceptsPerTurn bounds how long a flood of connects keeps the loop from its clients.
	acceptsPerTurn = 64
	// acceptPause is how long accepting rests when the process or the machine is out of
	// descriptors or memory: without it a level-triggered set would spin.
	acceptPause = 50 * time.Millisecond
	// warnPause is the least time between two warnings that accepting rests.
	warnPause = time.Second
)

// Listener accepts clients from a listening socket.
type Listener struct {
	loop     *Loop
	clients  *Clients
	fd       int
	max      int
	spare    int           // a descriptor in reserve, so that connects get an end when there are no more
	resumeAt time.Duration // while accepting rests; else deadline.Never
	warnAt   time.Duration // no warning before this

	// Refused counts connections that were closed at once: over max, or out of descriptors.
	Refused uint64
}

// Listen starts to accept from the non-blocking listening socket fd, up to max clients
// at a time. One more is accepted and closed at once, so that it fails rather than hangs.
func (l *Loop) Listen(fd int, cs *Clients, max int) (*Listener, error) {
	ln := &Listener{loop: l, clients: cs, fd: fd, max: max, spare: openSpare(), resumeAt: deadline.Never}
	l.poller.Attach(fd, ln)
	if err := l.poller.Watch(fd, poll.Read); err != nil {
		return nil, err
	}
	l.Schedule(ln)
	return ln, nil
}

// openSpare returns -1 when there is no descriptor to be had.
func openSpare() int {
	fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1
	}
	return fd
}

// Ready accepts.
func (ln *Listener) Ready(poll.Events) {
	for range acceptsPerTurn {
		if !ln.accept() {
			break
		}
	}
	ln.loop.Rearm()
}

// accept takes one connection; it reports whether another may wait.
func (ln *Listener) accept() bool {
	fd, err := socket.Accept(ln.fd)
	switch err {
	case nil:
		ln.admit(fd)
		return true
	case unix.EAGAIN:
		return false
	case unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS:
		ln.refuseOne()
		ln.pause(err)
		return false
	}
	return true // the connection failed before it was accepted (ECONNABORTED and its like)
}

func (ln *Listener) admit(fd int) {
	if ln.clients.Len() >= ln.max {
		_ = unix.Close(fd)
		ln.Refused++
		return
	}
	if err := ln.clients.Adopt(fd); err != nil {
		ln.Refused++
		ln.pause(err)
	}
}

// refuseOne spends the spare descriptor on the connection that waits longest, which
// sees its end instead of silence.
func (ln *Listener) refuseOne() {
	if ln.spare < 0 {
		return
	}
	_ = unix.Close(ln.spare)
	if fd, err := socket.Accept(ln.fd); err == nil {
		_ = unix.Close(fd)
		ln.Refused++
	}
	ln.spare = openSpare()
}

func (ln *Listener) pause(why error) {
	now := ln.loop.Now()
	if now >= ln.warnAt {
		ln.warnAt = now + warnPause
		slog.Warn("accepting rests", "ms", acceptPause.Milliseconds(), "clients", ln.clients.Len(),
			"refused", ln.Refused, "reason", why)
	}
	if err := ln.loop.poller.Watch(ln.fd, poll.None); err != nil {
		slog.Error("the listener cannot rest", "reason", err)
	}
	ln.resumeAt = now + acceptPause
}

// Deadline is when accepting goes on after a rest.
func (ln *Listener) Deadline() time.Duration { return ln.resumeAt }

// Expire ends the rest.
func (ln *Listener) Expire(now time.Duration) {
	ln.resumeAt = deadline.Never
	if ln.spare < 0 {
		ln.spare = openSpare()
	}
	if err := ln.loop.poller.Watch(ln.fd, poll.Read); err != nil {
		slog.Error("the listener cannot go on yet", "reason", err)
		ln.resumeAt = now + acceptPause
	}
}

// Stop accepts what waits in the backlog, then closes the listening socket: who
// connected before is served, who comes later is refused by the kernel.
func (ln *Listener) Stop() {
	ln.resumeAt = deadline.Never
	for range ln.max {
		if !ln.accept() {
			break
		}
	}
	ln.resumeAt = deadline.Never
	ln.loop.poller.Close(ln.fd)
	if ln.spare >= 0 {
		_ = unix.Close(ln.spare)
		ln.spare = -1
	}
}
