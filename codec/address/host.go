package address

import (
	"net/netip"
	"strings"
)

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

// endsInNumber reports whether the last label has digits alone. No top-level domain is such, so the text is meant as an
// IPv4 address: 127.0.0.300 must not become a name to look up.
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
