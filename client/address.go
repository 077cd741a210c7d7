package client

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// The limits of an address's parts, in bytes: sun_path has 108, the last one a NUL; names
// are those of RFC 1035, section 2.3.4.
const (
	maxPath     = 107
	maxHostName = 253
	maxLabel    = 63
)

// endpoint is what package net connects to.
type endpoint struct {
	network string // unix, tcp, tcp4 or tcp6
	address string // a path, or host:port
}

// parseAddress reads an address to connect to (PROTOCOL.md, “Addresses”): UNIX:/path,
// IP:host:port, IPv4:host:port or IPv6:host:port, an IPv6 address in brackets. It takes
// what the tools take for -server. Its error wraps ErrAddress.
func parseAddress(text string) (endpoint, error) {
	e, reason := parseForm(text)
	if reason != "" {
		return endpoint{}, fmt.Errorf("%w %q: %s", ErrAddress, text, reason)
	}
	return e, nil
}

func parseForm(text string) (endpoint, string) {
	scheme, rest, _ := strings.Cut(text, ":")
	switch scheme {
	case "UNIX":
		return endpoint{"unix", rest}, judgePath(rest)
	case "IP":
		return parseTCP("tcp", rest)
	case "IPv4":
		return parseTCP("tcp4", rest)
	case "IPv6":
		return parseTCP("tcp6", rest)
	}
	return endpoint{}, "it is none of UNIX:/path, IP:host:port, IPv4:host:port and IPv6:host:port"
}

func judgePath(path string) string {
	switch {
	case path == "":
		return "the path is missing"
	case len(path) > maxPath:
		return fmt.Sprintf("the path has %d bytes, and at most %d fit into a unix socket's", len(path), maxPath)
	case strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return "the path contains a control character"
	case path[0] == '@':
		return "abstract sockets are not supported (for a file whose name starts with @ write UNIX:./@name)"
	case path[len(path)-1] == '/':
		return "the path ends in a slash, so it names a folder"
	}
	return ""
}

func parseTCP(network, text string) (endpoint, string) {
	at := strings.LastIndexByte(text, ':')
	if at < 1 {
		return endpoint{}, "a host and a port are needed to connect to, as in IP:cache.example.net:9001"
	}
	host, reason := parseHost(network, text[:at])
	if reason != "" {
		return endpoint{}, reason
	}
	// ParseUint in base 10 takes digits alone: no sign, no space, no underscore.
	port, err := strconv.ParseUint(text[at+1:], 10, 16)
	if err != nil || port == 0 {
		return endpoint{}, "the port is not a decimal number from 1 to 65535"
	}
	return endpoint{network, net.JoinHostPort(host, strconv.Itoa(int(port)))}, ""
}

// parseHost returns the host without brackets.
func parseHost(network, text string) (host, reason string) {
	inner, bracketed := strings.CutPrefix(text, "[")
	switch {
	case bracketed:
		return parseBracketed(network, inner)
	case strings.Contains(text, ":"):
		return "", "an IPv6 address is written in brackets, as in IP:[::1]:9001"
	case endsInNumber(text):
		ip, err := netip.ParseAddr(text)
		if err != nil || network == "tcp6" {
			return "", "the host is no address of the family that is named"
		}
		return ip.String(), ""
	case !isHostName(text):
		return "", "the host is neither a host name nor an address"
	}
	return text, ""
}

func parseBracketed(network, text string) (host, reason string) {
	inner, closed := strings.CutSuffix(text, "]")
	ip, err := netip.ParseAddr(inner)
	switch {
	case !closed || err != nil || !ip.Is6():
		return "", "brackets are for an IPv6 address, as in IP:[::1]:9001"
	case network == "tcp4":
		return "", "the host is no address of the family that is named"
	case ip.Zone() != "" && !isHostName(ip.Zone()):
		return "", "the zone of the address is not a name"
	}
	return ip.String(), ""
}

// endsInNumber reports whether the last label has digits alone: such a text is meant as an
// IPv4 address, and 127.0.0.300 must not become a name to look up.
func endsInNumber(text string) bool {
	last := text[strings.LastIndexByte(text, '.')+1:]
	return last != "" && strings.Trim(last, "0123456789") == ""
}

// isHostName reports whether the text is labels of letters, digits, hyphens and
// underscores, joined by dots, with at most one dot at the end.
func isHostName(text string) bool {
	if len(text) > maxHostName {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(text, "."), ".") {
		if label == "" || len(label) > maxLabel || strings.ContainsFunc(label, notHostChar) {
			return false
		}
	}
	return true
}

func notHostChar(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}
