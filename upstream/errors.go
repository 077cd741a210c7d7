package upstream

import "errors"

// Why a connection to dc_server is given up, beside the errors of the system and of codec.
var (
	// ErrFull is returned by Submit when MaxInFlight requests are in flight, or the
	// batch that dc_server does not take has reached its bound.
	ErrFull = errors.New("too many requests in flight")
	// ErrWrongOperation is returned by Deliver for an answer that carries another
	// operation than the request of its uid.
	ErrWrongOperation = errors.New("an answer for another operation than was asked")
	// ErrUnsolicited is returned by Deliver when answers to nothing keep coming.
	ErrUnsolicited = errors.New("too many answers that nobody asked for")
	// ErrProbe is the reason when a new connection answers the probe with something else
	// than OK or NOTOK.
	ErrProbe = errors.New("the probe was not answered as a cache server does")
	// ErrAttemptTimeout is the reason when a connection is not up within AttemptTimeout.
	ErrAttemptTimeout = errors.New("not connected and answering in time")
	// ErrSilent is the reason when dc_server leaves requests unanswered for too long.
	ErrSilent = errors.New("silent with requests in flight")
	// ErrStopped is the reason when Stop ended the connection.
	ErrStopped = errors.New("stopping")
	// ErrClosed is the reason when dc_server ends the connection.
	ErrClosed = errors.New("closed by the server")
)
