package address

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The schemes that are not a Family. TLS is recognised so that it gets its own error.
const (
	unixPrefix       = "UNIX:"
	descriptorPrefix = "FD:"
	tlsPrefix        = "TLS:"
	systemdText      = "systemd"
)

// firstDescriptor is the lowest number that FD: takes: those below are standard input, output and error.
const firstDescriptor = 3

// purpose is what an address is wanted for.
type purpose uint8

const (
	toListen purpose = iota
	toConnect
)

// ParseListen reads an address to listen on. Its error is an *Error.
func ParseListen(text string) (Address, error) { return parse(text, toListen) }

// ParseConnect reads an address to connect to: UNIX:/path or a TCP address with a host and a port of 1 or more. Its
// error is an *Error.
func ParseConnect(text string) (Address, error) { return parse(text, toConnect) }

func parse(text string, want purpose) (Address, error) {
	addr, err := parseScheme(text)
	if err == nil && want == toConnect {
		err = connectable(addr)
	}
	if err != nil {
		return Address{}, &Error{Text: text, Err: err}
	}
	return addr, nil
}

func parseScheme(text string) (Address, error) {
	if text == systemdText {
		return Address{Kind: Systemd}, nil
	}
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return Address{}, noColon(text)
	}
	switch scheme + ":" {
	case unixPrefix:
		return parseUnix(rest)
	case descriptorPrefix:
		return parseDescriptor(rest)
	case tlsPrefix:
		return Address{}, ErrTLS
	}
	for _, family := range []Family{AnyFamily, IPv4, IPv6} {
		if scheme == family.String() {
			return parseTCP(family, rest)
		}
	}
	return Address{}, unknownScheme(scheme)
}

func noColon(text string) error {
	if text == "" {
		return ErrEmpty
	}
	for _, scheme := range schemes() {
		if text+":" == scheme {
			return ErrNoColon
		}
	}
	return unknownScheme(text)
}

// unknownScheme adds the right spelling when only upper and lower case are mixed up.
func unknownScheme(scheme string) error {
	for _, known := range schemes() {
		if strings.EqualFold(scheme, strings.TrimSuffix(known, ":")) {
			return fmt.Errorf("%w; did you mean %s", ErrScheme, known)
		}
	}
	return ErrScheme
}

func schemes() []string {
	return []string{unixPrefix, "IP:", "IPv4:", "IPv6:", descriptorPrefix, tlsPrefix, systemdText}
}

func connectable(addr Address) error {
	switch {
	case addr.Kind == Descriptor, addr.Kind == Systemd:
		return ErrListenOnly
	case addr.Kind == TCP && addr.Host == "":
		return ErrNoHost
	case addr.Kind == TCP && addr.Port == 0:
		return ErrPortZero
	}
	return nil
}

func parseUnix(path string) (Address, error) {
	switch {
	case path == "":
		return Address{}, ErrNoPath
	case len(path) > MaxPath:
		return Address{}, fmt.Errorf("%w: it has %d bytes, and at most %d fit", ErrLongPath, len(path), MaxPath)
	case strings.ContainsFunc(path, isControl):
		return Address{}, ErrPathByte
	case path[0] == '@':
		return Address{}, ErrAbstract
	case path[len(path)-1] == '/':
		return Address{}, ErrFolder
	}
	return Address{Kind: Unix, Path: path}, nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func parseDescriptor(text string) (Address, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < firstDescriptor || n > math.MaxInt32 {
		return Address{}, ErrDescriptor
	}
	return Address{Kind: Descriptor, FD: int(n)}, nil
}

// parseTCP reads what follows the scheme: port, :port, host:port or [v6]:port.
func parseTCP(family Family, rest string) (Address, error) {
	host, portText := "", rest
	if at := strings.LastIndexByte(rest, ':'); at >= 0 {
		host, portText = rest[:at], rest[at+1:]
	}
	host, err := parseHost(family, host)
	if err != nil {
		return Address{}, err
	}
	port, err := parsePort(portText)
	if err != nil {
		return Address{}, err
	}
	return Address{Kind: TCP, Family: family, Host: host, Port: port}, nil
}

func parsePort(text string) (uint16, error) {
	if text == "" {
		return 0, ErrNoPort
	}
	// ParseUint in base 10 takes digits alone: no sign, no space, no underscore.
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, ErrPort
	}
	return uint16(port), nil
}
