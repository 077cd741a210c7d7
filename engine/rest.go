package engine

import (
	"errors"
	"log/slog"
	"slices"
	"time"

	"distcache/engine/deadline"
	"distcache/engine/poll"

	"golang.org/x/sys/unix"
)

const (
	// acceptPause is how long accepting rests when the process or the machine is out of
	// descriptors or memory, or the listening socket broke: without it a level-triggered
	// set would spin.
	acceptPause = 50 * time.Millisecond
	// warnPause is the least time between two warnings about a limit: of clients, descriptors,
	// memory. oddityPause is that of all else, which may last for good.
	warnPause   = time.Second
	oddityPause = time.Minute
)

// pause lets accepting rest for acceptPause.
func (ln *Listener) pause(why error) {
	now := ln.loop.Now()
	switch {
	case why == errNobody && ln.Shared, why == errFull && ln.clients.hungUp:
	case isLimit(why):
		ln.warn(now, "accepting paused", why)
	default:
		ln.warnOfOddity(now, "accepting paused", why)
	}
	if err := ln.loop.poller.Watch(ln.fd, poll.None); err != nil {
		ln.warn(now, "cannot pause accepting", err)
	}
	if ln.resumeAt == deadline.Never {
		ln.loop.Schedule(ln)
	}
	ln.resumeAt = now + acceptPause
	ln.empty, ln.failed = 0, 0
}

// isLimit reports whether the process or the machine is out of room for clients, descriptors, memory or watches.
func isLimit(why error) bool {
	return slices.ContainsFunc([]error{errFull, unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.ENOBUFS, unix.ENOSPC},
		func(limit error) bool { return errors.Is(why, limit) })
}

// warnOfOddity logs one line in oddityPause, whatever it says.
func (ln *Listener) warnOfOddity(now time.Duration, what string, why error) {
	if now < ln.oddAt {
		return
	}
	ln.oddAt = now + oddityPause
	slog.Warn(what, "clients", ln.clients.total.Load(), "refused", ln.Refused, "reason", why)
}

// warn logs one line about a limit in warnPause, whatever it says.
func (ln *Listener) warn(now time.Duration, what string, why error) {
	if now < ln.warnAt {
		return
	}
	ln.warnAt = now + warnPause
	slog.Warn(what, "clients", ln.clients.total.Load(), "refused", ln.Refused, "reason", why)
}

// Deadline is when accepting goes on after a rest.
func (ln *Listener) Deadline() time.Duration { return ln.resumeAt }

// Expire ends the rest.
func (ln *Listener) Expire(now time.Duration) {
	if ln.spare < 0 {
		ln.spare = openSpare()
	}
	if err := ln.loop.poller.Watch(ln.fd, poll.Read); err != nil {
		ln.warn(now, "cannot resume accepting yet", err)
		ln.resumeAt = now + acceptPause
		return
	}
	ln.resumeAt = deadline.Never
	ln.loop.Unschedule(ln)
}

// admits reports whether the peer of the accepted fd is one of those that Access names. It
// counts the others, and logs at most one of them in warnPause. A peer that the kernel tells
// nothing about is refused.
func (ln *Listener) admits(fd int) bool {
	ok, peer, err := ln.Access.Admits(fd)
	if ok {
		return true
	}
	ln.Denied++
	now := ln.loop.Now()
	if now < ln.deniedAt {
		return false
	}
	ln.deniedAt = now + warnPause
	why := slog.String("reason", "neither -allowuser nor -allowgroup allows the client's process")
	if err != nil {
		why = slog.Any("reason", err)
	}
	slog.Warn("client refused", why, "uid", peer.UID, "gid", peer.GID, "pid", peer.PID, "refused", ln.Denied)
	return false
}
