package load

import (
	"distcache/bench/load/plan"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// pollWindow is how many of the clients that have waited longest are slept on with one poll.
	pollWindow = 16
	// When none of those has an answer for so long, and others wait too, those are looked at: after lookAfter and
	// lookAfterEach for each that waits, since looking takes the longer the more there are. When none of them has an
	// answer either, it is the server that stalls, and the next look comes after twice the time. So an answer that
	// overtakes lies unseen for no longer than the server has been quiet, and at most for choresEvery.
	lookAfter     = int64(250 * time.Microsecond)
	lookAfterEach = int64(time.Microsecond)
	// pollEvents is how many events of the epoll set are taken at a time.
	pollEvents = 256
)

// askOldest reads from the clients that have waited longest, without knowing whether their answers have arrived.
func (l *loop) askOldest() {
	c := l.waiting.front()
	for range l.batchSize() {
		if c == nil || !l.queued.receive(c, l.chunk) {
			return
		}
		c = l.waiting.after(c)
	}
}

// wait sleeps until something is to be done, and asks for the answers that woke it.
func (l *loop) wait() {
	l.gather(pollWindow)
	crowded := l.waiting.length > pollWindow
	wake := l.wake()
	if crowded {
		wake = min(wake, l.answered+l.patience)
	}
	l.now = l.clock.now()
	if !l.poll(max(0, wake-l.now)) && crowded && l.now >= l.answered+l.patience {
		l.lookBeyond()
	}
}

// wake returns when to be awake at the latest.
func (l *loop) wake() int64 {
	at := l.nextChores
	if l.phase != plan.Draining {
		at = min(at, l.phaseEnd)
	}
	if l.config.Rate > 0 {
		at = min(at, l.pacer.Next())
	}
	return at
}

// lookBeyond looks for answers to clients outside the window. If there are any, the clients in the window move into the
// epoll set, so that a late answer hides no others. Each time in a row, twice as many move.
func (l *loop) lookBeyond() {
	l.gather(l.waiting.length)
	if !l.poll(0) {
		l.patience = min(2*l.patience, choresEvery)
		l.answered = l.now
		return
	}
	for range min(l.demotion, l.waiting.length) {
		l.watch(l.waiting.front(), unix.EPOLLIN)
	}
	l.demotion = min(2*l.demotion, len(l.clients))
}

// gather lists what to poll: up to atMost clients that have waited longest, and the epoll set unless it is empty.
func (l *loop) gather(atMost int) {
	l.polls, l.polled = l.polls[:0], l.polled[:0]
	for c := l.waiting.front(); c != nil && len(l.polled) < atMost; c = l.waiting.after(c) {
		l.polls = append(l.polls, unix.PollFd{Fd: c.fd, Events: unix.POLLIN})
		l.polled = append(l.polled, c)
	}
	if l.watched > 0 {
		l.polls = append(l.polls, unix.PollFd{Fd: int32(l.epoll), Events: unix.POLLIN})
	}
}

// poll waits so many nanoseconds for what was gathered, and asks for the answers that are there. It reports whether any
// of the clients gathered has one.
func (l *loop) poll(nanos int64) bool {
	timeout := unix.NsecToTimespec(nanos)
	n, err := unix.Ppoll(l.polls, &timeout, nil)
	l.now = l.clock.now()
	if err != nil || n == 0 {
		return false
	}
	found := false
	for i, c := range l.polled {
		if l.polls[i].Revents == 0 || l.violation != nil {
			continue
		}
		found = true
		l.ask(c)
	}
	if found {
		l.progress()
	}
	if last := len(l.polls) - 1; last >= len(l.polled) && l.polls[last].Revents != 0 {
		l.handleWatched()
	}
	return found
}

// ask asks for an answer that is there.
func (l *loop) ask(c *client) {
	if !l.queued.receive(c, l.chunk) {
		return // there is no room; it will be found there again
	}
	if l.queued.receives >= l.batchSize() {
		l.carryOut()
	}
}

// progress notes that a client in the window got an answer.
func (l *loop) progress() {
	l.answered, l.demotion = l.now, pollWindow
	l.patience = min(lookAfter+int64(l.waiting.length)*lookAfterEach, choresEvery)
}

// handleWatched asks for the answers that the epoll set tells of, and goes on sending where a socket has room again.
func (l *loop) handleWatched() {
	var events [pollEvents]unix.EpollEvent
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(l.epoll), uintptr(unsafe.Pointer(&events[0])), pollEvents, 0, 0, 0)
	if errno != 0 {
		return
	}
	for _, e := range events[:n] {
		c := &l.clients[e.Fd]
		if c.out != nil && e.Events&^unix.EPOLLIN != 0 {
			l.sendRest(c)
		}
		if e.Events&^unix.EPOLLOUT != 0 {
			l.ask(c)
		}
	}
}

// watch puts the client into the epoll set.
func (l *loop) watch(c *client, events uint32) {
	l.leave(c)
	e := unix.EpollEvent{Events: events, Fd: int32(c.number)}
	if err := unix.EpollCtl(l.epoll, unix.EPOLL_CTL_ADD, int(c.fd), &e); err != nil {
		l.fail(c, plan.FailedClosed)
		return
	}
	c.place = inEpoll
	l.watched++
}

// unwatch takes the client out of the epoll set.
func (l *loop) unwatch(c *client) {
	_ = unix.EpollCtl(l.epoll, unix.EPOLL_CTL_DEL, int(c.fd), nil)
	c.place = nowhere
	l.watched--
}
