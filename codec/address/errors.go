package address

import (
	"errors"
	"fmt"
)

// Error says which text is not an address, and why. The parsers return no other error.
type Error struct {
	Text string // the text, as it was given
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
	// ErrScheme is returned when the text starts with no known scheme. The message adds those that are accepted there.
	ErrScheme = errors.New("unknown scheme")
	// ErrNoColon is returned when the text is a scheme and nothing else.
	ErrNoColon = errors.New("a colon and the rest of the address must follow the scheme")
	// ErrTLS is returned for TLS: addresses where a plain connection is made.
	ErrTLS = errors.New("TLS: is for the connection to dc_server only")
	// ErrListenOnly is returned when an address to connect to has a form for listening only.
	ErrListenOnly = errors.New("it is for listening only")

	// ErrNoPath is returned when nothing follows UNIX:.
	ErrNoPath = errors.New("the path is missing")
	// ErrLongPath is returned when a path has more than MaxPath bytes.
	ErrLongPath = errors.New("the path is too long for a unix socket")
	// ErrPathByte is returned when a path contains a control character.
	ErrPathByte = errors.New("the path contains a control character")
	// ErrDirectory is returned when a path ends in a slash.
	ErrDirectory = errors.New("the path ends in a slash, so it names a directory")
	// ErrAbstract is returned when a path starts with @. On Linux that would be a socket without a file, hence without
	// permissions.
	ErrAbstract = errors.New("abstract sockets are not supported (for a file whose name starts with @ write UNIX:./@name)")

	// ErrNoPort is returned when no port is given.
	ErrNoPort = errors.New("there is no port")
	// ErrPort is returned when a port is not decimal digits, or over 65535.
	ErrPort = errors.New("the port is not a decimal number from 0 to 65535")
	// ErrPortZero is returned when the port of an address to connect to is 0.
	ErrPortZero = errors.New("port 0 (any free port) is for listening only")
	// ErrNoHost is returned when an address to connect to has a port but no host.
	ErrNoHost = errors.New("the host is missing: a port alone is for listening only")
	// ErrHost is returned when a host is neither a host name nor an address.
	ErrHost = errors.New("the host is neither a host name nor an address")
	// ErrBrackets is returned when brackets are missing around an IPv6 address, or hold something else.
	ErrBrackets = errors.New("write an IPv6 address, and only that, in brackets, as in IP:[::1]:9001")
	// ErrFamily is returned when the host is an IPv6 address after IPv4:, or an IPv4 address after IPv6:.
	ErrFamily = errors.New("the host's IP version is not that of the scheme")

	// ErrDescriptor is returned when FD: is not followed by a number from 3 to 2147483647.
	ErrDescriptor = errors.New("the descriptor is not a decimal number from 3 to 2147483647 (0 to 2 are the standard ones)")
	// ErrSocketName is returned when systemd: is not followed by a name that FileDescriptorName= takes.
	ErrSocketName = errors.New("the name of the socket is not 1 to 255 printable ASCII characters without space and colon")
)
