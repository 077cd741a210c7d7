package main

import (
	"errors"
	"fmt"
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
	timeout  time.Duration // the flag -timeout; 0: never
	probed   time.Duration // when the probe was sent
	failures uint64        // attempts that failed since the last line about one
	reason   string
	quietTo  time.Duration
	up       bool
	why      error // while not up: why the last attempt or connection ended; nil: none has
}

// LinkChanged logs one change.
func (l *linkLog) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	if l.up = to == upstream.Up; to == upstream.Down {
		l.why = why
	}
	switch {
	case errors.Is(why, upstream.ErrStopped): // by a signal, which was logged
	case to == upstream.Probing:
		l.probed = now
	case to == upstream.Up:
		l.connected(now - l.probed)
	case to == upstream.Down && from == upstream.Up:
		slog.Warn("lost dc_server", "server", l.server.String(), "reason", why)
	case to == upstream.Down:
		l.failed(why, now)
	}
}

// status is what a service manager shows.
func (l *linkLog) status() string {
	switch {
	case l.up:
		return "connected to dc_server " + l.server.String()
	case l.why == nil:
		return "connecting to dc_server " + l.server.String()
	}
	return fmt.Sprintf("no connection to dc_server %s (%v)", l.server, l.why)
}

// connected logs that the probe was answered, after roundTrip.
func (l *linkLog) connected(roundTrip time.Duration) {
	slog.Info("connected to dc_server", "server", l.server.String())
	l.reason, l.quietTo = "", 0
	if l.timeout > 0 && roundTrip > l.timeout {
		slog.Warn("dc_server takes longer than -timeout to answer the first request: requests will be answered DISCONNECTED",
			"server", l.server.String(), "round_trip", roundTrip.Round(time.Millisecond), "timeout", l.timeout,
			"hint", "raise -timeout above the round trip")
	}
}

// lateAnswers logs requests that were not answered within -timeout.
func (l *linkLog) lateAnswers(late upstream.Lateness) {
	roundTrip := "unknown: no late answer has come"
	if late.Answered > 0 {
		roundTrip = late.Took.Round(time.Millisecond).String()
	}
	slog.Warn("dc_server did not answer in time: requests were answered DISCONNECTED", "server", l.server.String(),
		"late", late.Late, "of", late.Of, "round_trip_of_late", roundTrip, "timeout", l.timeout,
		"hint", "raise -timeout, or see whether dc_server is overloaded")
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
