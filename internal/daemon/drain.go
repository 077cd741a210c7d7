package daemon

import (
	"log/slog"
	"time"
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
	r.draining = true
	for _, a := range r.acceptors {
		a.stop()
	}
	now := r.loop.Now()
	r.loop.Schedule(&drain{reactor: r, ends: now + drainTime, quietSince: now, next: now + drainLook})
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
