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
	// drainQuiet is how long no request may have been open before the daemon ends: a client
	// that has just connected gets time to ask.
	drainQuiet = 50 * time.Millisecond
	// drainRest is how long the answers to the last requests may take.
	drainRest = 100 * time.Millisecond
	// drainLook is the time between two checks.
	drainLook = 5 * time.Millisecond
)

// drain is the orderly end: it accepts no new clients, and waits until all requests are
// answered.
type drain struct {
	reactor    *reactor
	ends       time.Duration
	quietSince time.Duration
	next       time.Duration
	hungUp     bool // clients are not read from any more, and have been told
}

// drain begins the orderly end.
func (r *reactor) drain() {
	slog.Info("stopping", "clients", r.clients.Len(), "busy", r.app.Busy())
	r.stopAccepting()
	now := r.loop.Now()
	r.loop.Schedule(&drain{reactor: r, ends: now + drainTime, quietSince: now, next: now + drainLook})
}

// stopAccepting makes the kernel refuse new connections; those in the backlog are still
// accepted. Without the shutdown, clients that connect between the last accept and the
// close would be reset. For TCP there is no such call. A socket that was passed in stays
// open: the connections in its backlog wait for the next process that gets it.
func (r *reactor) stopAccepting() {
	switch r.kind {
	case address.Descriptor, address.Systemd:
		r.listener.Leave()
		return
	case address.Unix:
		_ = unix.Shutdown(r.fd, unix.SHUT_RD) // at worst some connections are reset
	}
	r.listener.Stop()
}

// Deadline is the time of the next check.
func (dr *drain) Deadline() time.Duration { return dr.next }

// Expire checks whether requests are still open.
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
