package main

import (
	"errors"
	"log/slog"
	"time"

	"distcache/codec/address"
	"distcache/upstream"
)

// repeatAfter is when a failure that goes on is logged again.
const repeatAfter = time.Minute

// linkLog logs the state of the connection to dc_server: each time that it comes up or is
// lost, and failed attempts when their reason changes, or once a minute.
type linkLog struct {
	server   address.Address
	failures uint64 // attempts that failed since the last line about one
	reason   string
	quietTo  time.Duration
}

// LinkChanged logs one change.
func (l *linkLog) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	switch {
	case errors.Is(why, upstream.ErrStopped): // by a signal, which was logged
	case to == upstream.Up:
		slog.Info("connected to dc_server", "server", l.server.String())
		l.reason, l.quietTo = "", 0
	case to == upstream.Down && from == upstream.Up:
		slog.Warn("lost dc_server", "server", l.server.String(), "reason", why)
	case to == upstream.Down:
		l.failed(why, now)
	}
}

func (l *linkLog) failed(why error, now time.Duration) {
	l.failures++
	if why.Error() == l.reason && now < l.quietTo {
		return
	}
	slog.Warn("no connection to dc_server", "server", l.server.String(), "reason", why, "attempts", l.failures)
	l.reason, l.quietTo, l.failures = why.Error(), now+repeatAfter, 0
}

// strayAnswer logs that an answer matches no request, with the likely cause.
func (l *linkLog) strayAnswer() {
	slog.Warn("dc_server sends answers that match no request; they are dropped", "server", l.server.String(),
		"hint", "a dc_server of distcache 1.5 does this when a request arrives in pieces: replace it")
}
