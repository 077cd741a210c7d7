package agent

import (
	"errors"
	"time"

	"distcache/codec"
	"distcache/upstream"
)

// fault is why a connection to dc_server, or an attempt, ended.
type fault uint8

// The faults.
const (
	faultClosed  fault = iota // dc_server closed it
	faultSilent               // dc_server did not answer, or not in time
	faultCorrupt              // dc_server sent what is no answer
	faultProbe                // what is there is no dc_server
	faultSystem               // the system's error: refused, reset, no such host
	numFaults
)

// String gives the name used in metrics.
func (f fault) String() string {
	return [...]string{"closed", "silent", "corrupt", "no-dc-server", "system"}[f]
}

// faultOf classes the reason why a connection ended.
func faultOf(why error) fault {
	corrupt := (*codec.CorruptError)(nil)
	switch {
	case errors.Is(why, upstream.ErrClosed):
		return faultClosed
	case errors.Is(why, upstream.ErrSilent), errors.Is(why, upstream.ErrAttemptTimeout):
		return faultSilent
	case errors.Is(why, upstream.ErrProbe):
		return faultProbe
	case errors.As(why, &corrupt), errors.Is(why, upstream.ErrWrongOperation), errors.Is(why, upstream.ErrUnsolicited):
		return faultCorrupt
	}
	return faultSystem
}

// linkFacts is what an operator asks of the connection to dc_server.
type linkFacts struct {
	upSince   time.Duration
	downSince time.Duration
	ups       uint64            // connections that came up
	losts     uint64            // of those, that ended
	faults    [numFaults]uint64 // connections and attempts that ended, by reason
	lastError string
	errorAt   time.Duration
}

// changed takes a change of state. It happens seldom.
func (l *linkFacts) changed(from, to upstream.State, why error, now time.Duration) {
	switch {
	case errors.Is(why, upstream.ErrStopped):
		return
	case to == upstream.Up:
		l.ups++
		l.upSince = now
	case from == upstream.Up:
		l.losts++
		l.downSince = now
	}
	if why != nil {
		l.faults[faultOf(why)]++
		l.lastError, l.errorAt = why.Error(), now
	}
}
