package credentials

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"path"
	"strings"
	"time"

	"distcache/engine/secure"
)

// verifier decides on peers whose certificates are good otherwise.
type verifier struct {
	allow   Patterns
	revoked revoked
}

func (v verifier) verify(state tls.ConnectionState) error {
	for _, chain := range state.VerifiedChains {
		for _, c := range chain {
			if v.revoked.has(c) {
				return fmt.Errorf("certificate %q is revoked (-tlscrl)", secure.CertificateName(c))
			}
		}
	}
	if peer := state.PeerCertificates[0]; !v.allow.Allow(peer) {
		return fmt.Errorf("certificate %q matches no name of -tlsallow", secure.CertificateName(peer))
	}
	return nil
}

// Patterns are the names of -tlsallow, in lower case. The zero value allows all.
type Patterns []string

// ParsePatterns reads names with commas between them. A * stands for any characters but a dot.
func ParsePatterns(text string) (Patterns, error) {
	var all Patterns
	for name := range strings.SplitSeq(text, ",") {
		name = strings.TrimSpace(name)
		if name == "" || strings.ContainsAny(name, `?[]\/`) {
			return nil, fmt.Errorf("%q in %q is not a valid name (* stands for any characters but a dot)", name, text)
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

// revoked is a set of certificates, by issuer and serial number.
type revoked map[string]struct{}

// nameIn is the key of a certificate.
func nameIn(issuer []byte, serial fmt.Stringer) string { return string(issuer) + "/" + serial.String() }

// has reports whether the certificate was revoked.
func (r revoked) has(c *x509.Certificate) bool {
	_, found := r[nameIn(c.RawIssuer, c.SerialNumber)]
	return found
}

// revocations reads the lists of the file. A file without any is an error. Each must be signed by one of the CAs. A list that
// is out of date is used, with a warning: refusing all would stop the service.
func (f file) revocations(cas []*x509.Certificate) (r revoked, warnings []string, err error) {
	rest, err := f.read(false)
	if err != nil {
		return nil, nil, err
	}
	r = revoked{}
	lists := 0
	for block := next(&rest); block != nil; block = next(&rest) {
		if block.Type != "X509 CRL" {
			continue
		}
		lists++
		list, err := x509.ParseRevocationList(block.Bytes)
		if err != nil {
			return nil, nil, f.fail(fmt.Errorf("CRL %d cannot be parsed, or is not of version 2 (openssl ca needs crlnumber=): %w", lists, err))
		}
		if !signedByOne(list, cas) {
			return nil, nil, f.fail(fmt.Errorf("CRL %d, of %q, is not signed by a CA of -tlsca", lists, list.Issuer))
		}
		if !list.NextUpdate.IsZero() && time.Until(list.NextUpdate) < 0 {
			warnings = append(warnings, fmt.Sprintf("-%s %s: the list of %q is out of date since %s; it is used all the same",
				f.flag, f.path, list.Issuer, list.NextUpdate.Format(time.RFC3339)))
		}
		for _, entry := range list.RevokedCertificateEntries {
			r[nameIn(list.RawIssuer, entry.SerialNumber)] = struct{}{}
		}
	}
	if lists == 0 {
		return nil, nil, f.fail(errNoList)
	}
	return r, warnings, nil
}

func signedByOne(list *x509.RevocationList, cas []*x509.Certificate) bool {
	for _, ca := range cas {
		if list.CheckSignatureFrom(ca) == nil {
			return true
		}
	}
	return false
}
