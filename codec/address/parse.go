package address

import (
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// The schemes that are not a Family.
const (
	unixPrefix       = "UNIX:"
	descriptorPrefix = "FD:"
	tlsPrefix        = "TLS:"
	systemdText      = "systemd"
	systemdPrefix    = systemdText + ":"
)

// schemes are all of them.
var schemes = []string{unixPrefix, "IP:", "IPv4:", "IPv6:", tlsPrefix, descriptorPrefix, systemdText}

// firstDescriptor is the lowest number that FD: takes: those below are standard input, output and error.
const firstDescriptor = 3

// purpose is what an address is wanted for.
type purpose uint8

const (
	toListen purpose = iota
	toConnect
)

// ParseListen reads an address to listen on without TLS. Its error is an *Error.
func ParseListen(text string) (Address, error) { return parsePlain(text, toListen) }

// ParseConnect reads an address to connect to without TLS: UNIX:/path or a TCP address with a host and a port of 1 or
// more. Its error is an *Error.
func ParseConnect(text string) (Address, error) { return parsePlain(text, toConnect) }

// ParseSecureListen is ParseListen for programs that also listen on TLS addresses.
func ParseSecureListen(text string) (Address, error) { return parse(text, toListen, true) }

// ParseSecureConnect is ParseConnect for programs that also connect to TLS addresses.
func ParseSecureConnect(text string) (Address, error) { return parse(text, toConnect, true) }

func parsePlain(text string, want purpose) (Address, error) {
	addr, err := parse(text, want, false)
	if err == nil && addr.Kind == TLS {
		return Address{}, &Error{Text: text, Err: ErrTLS}
	}
	return addr, err
}

func parse(text string, want purpose, secure bool) (Address, error) {
	addr, err := parseScheme(text)
	if err == ErrScheme {
		err = unknownScheme(text, accepted(want, secure))
	}
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
	case systemdPrefix:
		return parseSocketName(rest)
	case tlsPrefix:
		addr, err := parseTCP(AnyFamily, rest)
		addr.Kind = TLS
		return addr, err
	}
	for _, family := range []Family{AnyFamily, IPv4, IPv6} {
		if scheme == family.String() {
			return parseTCP(family, rest)
		}
	}
	return Address{}, ErrScheme
}

func noColon(text string) error {
	if text == "" {
		return ErrEmpty
	}
	if slices.Contains(schemes, text+":") {
		return ErrNoColon
	}
	return ErrScheme
}

// unknownScheme names the accepted schemes, and the right spelling when only upper and lower case are mixed up.
func unknownScheme(text string, accepted []string) error {
	last := len(accepted) - 1
	err := fmt.Errorf("%w: want %s or %s", ErrScheme, strings.Join(accepted[:last], ", "), accepted[last])
	scheme, _, _ := strings.Cut(text, ":")
	for _, known := range accepted {
		if strings.EqualFold(scheme, strings.TrimSuffix(known, ":")) {
			return fmt.Errorf("%w; did you mean %s", err, known)
		}
	}
	return err
}

// accepted are the schemes of addresses for that purpose; secure: with TLS.
func accepted(want purpose, secure bool) []string {
	return slices.DeleteFunc(slices.Clone(schemes), func(scheme string) bool {
		return scheme == tlsPrefix && !secure || want == toConnect && (scheme == descriptorPrefix || scheme == systemdText)
	})
}

func connectable(addr Address) error {
	switch {
	case addr.Kind == Descriptor, addr.Kind == Systemd:
		return ErrListenOnly
	case addr.Kind == Unix:
	case addr.Host == "":
		return ErrNoHost
	case addr.Port == 0:
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
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return Address{}, ErrPathByte
	case path[0] == '@':
		return Address{}, ErrAbstract
	case path[len(path)-1] == '/':
		return Address{}, ErrDirectory
	}
	return Address{Kind: Unix, Path: path}, nil
}

func parseDescriptor(text string) (Address, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n < firstDescriptor || n > math.MaxInt32 {
		return Address{}, ErrDescriptor
	}
	return Address{Kind: Descriptor, FD: int(n)}, nil
}

// maxSocketName is the greatest length of a socket's name, in bytes (systemd's FDNAME_MAX).
const maxSocketName = 255

// parseSocketName reads a name as FileDescriptorName= of systemd.socket(5) takes it.
func parseSocketName(name string) (Address, error) {
	odd := func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }
	if name == "" || len(name) > maxSocketName || strings.ContainsFunc(name, odd) {
		return Address{}, ErrSocketName
	}
	return Address{Kind: Systemd, Name: name}, nil
}

// parseTCP reads what follows the scheme of a TCP address: port, :port, host:port or [v6]:port.
func parseTCP(family Family, rest string) (Address, error) {
	host, portText := "", rest
	if at := strings.LastIndexByte(rest, ':'); at >= 0 {
		host, portText = rest[:at], rest[at+1:]
	}
	host, err := parseHost(family, host)
	if err != nil {
		return Address{}, err
	}
	if portText == "" {
		return Address{}, ErrNoPort
	}
	// ParseUint in base 10 takes digits alone: no sign, no space, no underscore.
	port, err := strconv.ParseUint(portText, 10, 16)
	if err != nil {
		return Address{}, ErrPort
	}
	return Address{Kind: TCP, Family: family, Host: host, Port: uint16(port)}, nil
}

// The limits of a host name, in bytes (RFC 1035, section 2.3.4).
const (
	maxHostName = 253
	maxLabel    = 63
)

// parseHost returns the host in canonical form and without brackets. "" stays "": every interface.
func parseHost(family Family, text string) (string, error) {
	if inner, found := strings.CutPrefix(text, "["); found {
		return parseBracketed(family, inner)
	}
	switch {
	case text == "":
		return "", nil
	case strings.Contains(text, ":"):
		return "", ErrBrackets
	case endsInNumber(text):
		return parseIPv4(family, text)
	case !isHostName(text):
		return "", ErrHost
	}
	return text, nil
}

func parseBracketed(family Family, text string) (string, error) {
	inner, found := strings.CutSuffix(text, "]")
	if !found {
		return "", ErrBrackets
	}
	ip, err := netip.ParseAddr(inner)
	if err != nil || !ip.Is6() {
		return "", ErrBrackets
	}
	if zone := ip.Zone(); zone != "" && !isHostName(zone) {
		return "", ErrHost
	}
	if family == IPv4 {
		return "", ErrFamily
	}
	return ip.String(), nil
}

func parseIPv4(family Family, text string) (string, error) {
	ip, err := netip.ParseAddr(text)
	if err != nil {
		return "", ErrHost
	}
	if family == IPv6 {
		return "", ErrFamily
	}
	return ip.String(), nil
}

// endsInNumber reports whether the last label has digits alone. No top-level domain has, so the text must be an IPv4
// address: 127.0.0.300 must not become a name to look up.
func endsInNumber(text string) bool {
	last := text[strings.LastIndexByte(text, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// isHostName reports whether the text has the form of a host name: labels of letters, digits, hyphens and underscores,
// joined by dots, with at most one dot at the end.
func isHostName(text string) bool {
	if len(text) > maxHostName {
		return false
	}
	for _, label := range strings.Split(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > maxLabel || strings.ContainsFunc(label, notHostChar) {
			return false
		}
	}
	return true
}

func notHostChar(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '-', r == '_':
		return false
	}
	return true
}
