package engine

import "log/slog"

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
	why := slog.String("reason", "neither -allowuser nor -allowgroup names this process")
	if err != nil {
		why = slog.Any("reason", err)
	}
	slog.Warn("client refused", why, "uid", peer.UID, "gid", peer.GID, "pid", peer.PID, "refused", ln.Denied)
	return false
}
