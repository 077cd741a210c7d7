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
	// than OK or NOTOK.
	ErrProbe = errors.New("wrong answer to the first request: not a dc_server?")
	// ErrAttemptTimeout is the reason when a connection is not up within AttemptTimeout.
	ErrAttemptTimeout = errors.New("timed out while connecting or waiting for the first answer")
	// ErrSilent is the reason when dc_server sends nothing for SilentTimeouts request
	// timeouts, with requests in flight.
	ErrSilent = fmt.Errorf("no answer for %d times -timeout", SilentTimeouts)
	// ErrStopped is the reason when Stop ended the connection.
	ErrStopped = errors.New("stopping")
	// ErrClosed is the reason when dc_server ends the connection.
	ErrClosed = errors.New("closed by the server")
)
