package address

import (
	"errors"
	"fmt"
)

// Error says which text is not an address, and why. Every error of ParseListen and ParseConnect is one.
type Error struct {
	Text string // what was to be read
	Err  error  // the reason: wraps one of the Err values below
}

// Error returns one line, such as: bad address "IP:": there is no port.
func (e *Error) Error() string {
	return fmt.Sprintf("bad address %q: %v", e.Text, e.Err)
}

// Unwrap returns the reason.
func (e *Error) Unwrap() error { return e.Err }

var (
	// ErrEmpty is returned when the text is empty.
	ErrEmpty = errors.New("it is empty")
	// ErrScheme is returned when the text starts with no known scheme.
	ErrScheme = errors.New("it starts with none of UNIX: IP: IPv4: IPv6: FD: and is not systemd")
	// ErrNoColon is returned when the text is a scheme and nothing else.
	ErrNoColon = errors.New("a colon and the rest of the address must follow the scheme")
	// ErrTLS is returned for TLS: addresses.
	ErrTLS = errors.New("TLS addresses are not supported yet")
	// ErrListenOnly is returned when an address to connect to is of a form that can only be listened on.
	ErrListenOnly = errors.New("it can be listened on, but not connected to")

	// ErrNoPath is returned when nothing follows UNIX:.
	ErrNoPath = errors.New("the path is missing")
	// ErrLongPath is returned when a path has more than MaxPath bytes.
	ErrLongPath = errors.New("the path is too long for a unix socket")
	// ErrPathByte is returned when a path contains a control character.
	ErrPathByte = errors.New("the path contains a control character")
	// ErrFolder is returned when a path ends in a slash.
	ErrFolder = errors.New("the path ends in a slash, so it names a folder")
	// ErrAbstract is returned when a path starts with @. On Linux that would be a socket without a file, hence without
	// permissions.
	ErrAbstract = errors.New("abstract sockets are not supported (for a file whose name starts with @ write UNIX:./@name)")

	// ErrNoPort is returned when no port is given.
	ErrNoPort = errors.New("there is no port")
	// ErrPort is returned when a port is not decimal digits, or over 65535.
	ErrPort = errors.New("the port is not a decimal number from 0 to 65535")
	// ErrPortZero is returned when the port of an address to connect to is 0.
	ErrPortZero = errors.New("port 0 can be listened on (any free port), but not connected to")
	// ErrNoHost is returned when an address to connect to has a port but no host.
	ErrNoHost = errors.New("there is no host to connect to: IP:port is an address to listen on")
	// ErrHost is returned when a host is neither a host name nor an address.
	ErrHost = errors.New("the host is neither a host name nor an address")
	// ErrBrackets is returned when brackets are missing around an IPv6 address, or hold something else.
	ErrBrackets = errors.New("an IPv6 address, and nothing else, is written in brackets, as in IP:[::1]:9001")
	// ErrFamily is returned when the host is an address of another family than the scheme names.
	ErrFamily = errors.New("the host is not an address of the family that the scheme names")

	// ErrDescriptor is returned when FD: is not followed by a number from 3 to 2147483647.
	ErrDescriptor = errors.New("the descriptor is not a decimal number from 3 to 2147483647 (0 to 2 are the standard ones)")
)
