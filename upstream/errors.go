package upstream

import (
	"errors"
	"fmt"
)

// The errors of Submit, and the reasons to end a connection to dc_server, beside the errors of
// the system and of codec.
var (
	// ErrNotUp is returned by Server.Submit while the state is not Up.
	ErrNotUp = errors.New("no connection to dc_server")
	// ErrFull is returned by Submit when MaxInFlight requests are in flight, or when
	// MaxBatch bytes wait for dc_server to take them.
	ErrFull = errors.New("too many requests in flight")
	// ErrWrongOperation is returned by Deliver for an answer whose operation is not that of
	// the request with its uid.
	ErrWrongOperation = errors.New("answer for a different operation")
	// ErrUnsolicited is returned by Deliver after too many unsolicited answers in a row.
	ErrUnsolicited = errors.New("too many unsolicited answers")
	// ErrProbe is the reason when a new connection answers the probe with something else
	// than OK or NOTOK. It may wrap the error of codec.
	ErrProbe = errors.New("wrong answer to the first request: not a dc_server?")
	// ErrProbeClosed is the reason when a new connection is ended in place of an answer.
	ErrProbeClosed = errors.New("closed in place of an answer to the first request: not a dc_server")
	// ErrProbeTimeout is the reason when a connection was made, but not up within AttemptTimeout.
	ErrProbeTimeout = errors.New("connected, but no answer to the first request: dc_server hangs or accepts no connections, or it is another service")
	// ErrAttemptTimeout is the reason when no connection was made within AttemptTimeout.
	ErrAttemptTimeout = errors.New("timed out while connecting")
	// ErrSilent is the reason when dc_server sends nothing for SilentTimeouts request
	// timeouts, or for SilentFloor if that is longer, with requests in flight.
	ErrSilent = fmt.Errorf("no answer for %d times -timeout, %v at least", SilentTimeouts, SilentFloor)
	// ErrStopped is the reason when Stop or Rest ended the connection.
	ErrStopped = errors.New("stopping")
	// ErrClosed is the reason when dc_server ends the connection.
	ErrClosed = errors.New("closed by the server")
)
