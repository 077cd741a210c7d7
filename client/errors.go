package client

import (
	"errors"

	"distcache/codec"
)

var (
	// ErrNotFound is returned by Get and Remove when the cache holds no such session.
	ErrNotFound = errors.New("the cache holds no such session")
	// ErrExists is returned by Add when the cache holds a session of that ID, which it keeps.
	ErrExists = errors.New("the cache holds a session of that ID already")
	// ErrDisconnected is returned when the cache is away: the agent has no connection to its
	// server, or the agent refuses or closes the connection. In the last two cases it comes
	// with the error of the network.
	ErrDisconnected = errors.New("the cache cannot be reached")
	// ErrRejected is returned by Add when the service refuses a session that is within the
	// limits of the protocol.
	ErrRejected = errors.New("the cache did not take the session")
	// ErrProtocol is returned when the bytes that came do not answer the request: another
	// protocol, another uid or operation, an unknown status. It comes with a
	// *codec.CorruptError where there is one.
	ErrProtocol = errors.New("no valid answer")

	// ErrListener is returned when another user than Options.CheckListener allows listens at
	// the unix socket. Nothing has been sent.
	ErrListener = errors.New("the process that listens there is not trusted")

	// ErrID is returned when a session ID is empty or over codec.MaxIDLen bytes. Nothing has
	// been sent.
	ErrID = errors.New("a session ID has 1 to 64 bytes")
	// ErrData is returned by Add when a session is empty or over MaxData bytes, or Get would
	// take it for a status. Nothing has been sent.
	ErrData = errors.New("this session cannot be stored")
	// ErrTTL is returned by Add when the time to live is under a millisecond or over
	// codec.MaxTimeout. Nothing has been sent.
	ErrTTL = errors.New("a session lives for 1 ms to 7 days")
	// ErrClosed is returned after Close.
	ErrClosed = errors.New("the client is closed")

	// ErrAddress is returned by Open and Dial for a text that is not an address to connect to.
	ErrAddress = errors.New("bad address")
	// ErrOptions is returned by Open and Dial for Options that are out of range.
	ErrOptions = errors.New("bad options")
)

// Error is what every failed operation returns.
type Error struct {
	Op      codec.Op
	Address string // of the service, as it was given to Open or Dial
	// Retried says that the request was sent twice (Options.Retry), and that this is the error
	// of the second attempt. The first request may have had its effect: Add then finds the session
	// that it stored itself (ErrExists), Remove no longer finds one (ErrNotFound).
	Retried bool
	Err     error
}

// Error returns one line, such as: GET at UNIX:/tmp/scache: the cache holds no such session.
func (e *Error) Error() string {
	again := ""
	if e.Retried {
		again = " (second attempt)"
	}
	return e.Op.String() + " at " + e.Address + again + ": " + e.Err.Error()
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }
