package daemon

import (
	"log/slog"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

const (
	// drainTime is how long requests in flight may take to be answered once the daemon
	// is told to stop.
	drainTime = time.Second
	// drainQuiet is how long nothing may have been under way before the daemon ends: a
	// client that had just connected gets to ask.
	drainQuiet = 50 * time.Millisecond
	// drainRest is how long the requests that came just before may take to be answered.
	drainRest = 100 * time.Millisecond
	// drainLook is the time between two looks.
	drainLook = 5 * time.Millisecond
)

// drain is the orderly end: no new clients, and an answer for everybody who has asked.
type drain struct {
	reactor    *reactor
	ends       time.Duration
	quietSince time.Duration
	next       time.Duration
	hungUp     bool // what clients send is not read any more, and they are told
}

// drain begins the orderly end.
func (r *reactor) drain() {
	slog.Info("stopping", "clients", r.clients.Len(), "busy", r.app.Busy())
	r.stopAccepting()
	now := r.loop.Now()
	r.loop.Schedule(&drain{reactor: r, ends: now + drainTime, quietSince: now, next: now + drainLook})
}

// stopAccepting makes the kernel refuse who connects from now on, while who waits already
// is still accepted. Without the shutdown there is an instant between the last accept and
// the close in which clients connect and ask, only to be reset; TCP knows no such thing.
// A socket that was passed in is not ours to shut: who waits in its backlog waits for the
// next process that gets it.
func (r *reactor) stopAccepting() {
	switch r.kind {
	case address.Descriptor, address.Systemd:
		r.listener.Leave()
		return
	case address.Unix:
		_ = unix.Shutdown(r.fd, unix.SHUT_RD) // at worst some are reset
	}
	r.listener.Stop()
}

// Deadline is the next look.
func (dr *drain) Deadline() time.Duration { return dr.next }

// Expire looks whether anybody is still owed something.
func (dr *drain) Expire(now time.Duration) {
	r := dr.reactor
	if r.app.Busy() > 0 {
		dr.quietSince = now
	}
	dr.next = now + drainLook
	switch {
	case r.clients.Len() > 0 && now < dr.ends && (dr.hungUp || now-dr.quietSince < drainQuiet):
	case !dr.hungUp:
		dr.hungUp, dr.ends = true, now+drainRest
		r.clients.HangUp()
		r.app.Stop(now)
	default:
		r.loop.Stop()
	}
}
