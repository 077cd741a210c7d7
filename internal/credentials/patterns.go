package credentials

import (
	"crypto/x509"
	"fmt"
	"path"
	"strings"
)

// Patterns are the names of -tlsallow, in lower case. The zero value allows all.
type Patterns []string

// ParsePatterns reads names with commas between them. A * stands for any characters but a dot.
func ParsePatterns(text string) (Patterns, error) {
	var all Patterns
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" || strings.ContainsAny(name, `?[]\/`) {
			return nil, fmt.Errorf("%q in %q is not a name, in which * may stand for any characters but a dot", name, text)
		}
		all = append(all, strings.ToLower(name))
	}
	return all, nil
}

// String returns the patterns with commas between them.
func (p Patterns) String() string { return strings.Join(p, ",") }

// Allow reports whether the common name or an alternative name of the certificate is among the names.
func (p Patterns) Allow(c *x509.Certificate) bool {
	names := append([]string{c.Subject.CommonName}, c.DNSNames...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, uri := range c.URIs {
		names = append(names, uri.String())
	}
	for _, name := range names {
		if name != "" && p.has(strings.ToLower(name)) {
			return true
		}
	}
	return p == nil
}

// has matches by labels: the dots are what slashes are in a path.
func (p Patterns) has(name string) bool {
	labels := strings.NewReplacer(".", "/", "/", "\x00")
	for _, pattern := range p {
		if ok, err := path.Match(labels.Replace(pattern), labels.Replace(name)); ok && err == nil {
			return true
		}
	}
	return false
}
