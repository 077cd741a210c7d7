package credentials

import (
	"crypto/x509"
	"fmt"
	"time"
)

// revoked is a set of certificates, by issuer and serial number.
type revoked map[string]struct{}

// nameIn is the key of a certificate.
func nameIn(issuer []byte, serial fmt.Stringer) string { return string(issuer) + "/" + serial.String() }

// has reports whether the certificate was revoked.
func (r revoked) has(c *x509.Certificate) bool {
	_, found := r[nameIn(c.RawIssuer, c.SerialNumber)]
	return found
}

// revocations reads the lists of the file, of which there is one at least. Each must be signed by one of the CAs. A list that
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
			return nil, nil, f.fail(fmt.Errorf("list %d is garbled, or not of version 2, which openssl ca writes with a crlnumber: %w", lists, err))
		}
		if !signedByOne(list, cas) {
			return nil, nil, f.fail(fmt.Errorf("list %d, of %q, is not signed by a CA of -tlsca", lists, list.Issuer))
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
