package secure

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"syscall"
	"time"

	"distcache/engine/buffer"
)

// Role is the side of a connection.
type Role uint8

// The roles.
const (
	Dialled  Role = iota // a client
	Accepted             // a server
)

// peer names the other side.
func (r Role) peer() string {
	if r == Dialled {
		return "the server"
	}
	return "the client"
}

// The numbers of alerts (RFC 8446, section 6) that say more than their names.
const (
	alertBadCertificate      = 42
	alertUnknownCertificate  = 46
	alertUnknownCA           = 48
	alertAccessDenied        = 49
	alertProtocolVersion     = 70
	alertCertificateRequired = 116
)

// explain is Explain for an error of crypto/tls. System errors and buffer.ErrFull stay as they are.
func (s *Session) explain(err error) error {
	var errno syscall.Errno
	switch {
	case s.wire.handshake != nil: // all that went wrong was in the handshake
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, buffer.ErrFull):
		return buffer.ErrFull
	}
	if s.old {
		return fmt.Errorf("%s does not speak TLS 1.3: %w", s.role.peer(), err)
	}
	return Explain(s.role, err)
}

// Explain says what an error of crypto/tls means for role's side, in one sentence that names the peer's certificate
// where that is the reason. It wraps err.
func Explain(role Role, err error) error {
	var header tls.RecordHeaderError
	var refused *tls.CertificateVerificationError
	var op *net.OpError
	switch {
	case errors.As(err, &refused):
		return explainCertificate(refused)
	case errors.As(err, &header) && header.Conn != nil && role == Accepted:
		return fmt.Errorf("the client does not speak TLS: it must use a TLS: address for this server (%w)", err)
	case errors.As(err, &header) && header.Conn != nil:
		return fmt.Errorf("the server does not speak TLS there: does it listen with TLS:? (%w)", err)
	case errors.As(err, &op) && op.Op == "remote error":
		return explainAlert(role, op)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		hint := "does that port speak TLS?"
		if role == Accepted {
			hint = "does it speak TLS, and trust this server's CA?"
		}
		return fmt.Errorf("%s closed the connection in the TLS handshake: %s (%w)", role.peer(), hint, err)
	case isTimeout(err):
		return fmt.Errorf("%s did not finish the TLS handshake in time: does it speak TLS? (%w)", role.peer(), err)
	}
	return err
}

// explainAlert takes an alert that the peer sent. crypto/tls keeps its number in a type of its own.
func explainAlert(role Role, op *net.OpError) error {
	number := uint64(0)
	if v := reflect.ValueOf(op.Err); v.Kind() == reflect.Uint8 {
		number = v.Uint()
	}
	switch {
	case number >= alertBadCertificate && number <= alertUnknownCertificate, number == alertUnknownCA,
		number == alertAccessDenied, number == alertCertificateRequired:
		return fmt.Errorf("%s refuses the certificate of this side: %w", role.peer(), op)
	case number == alertProtocolVersion:
		return fmt.Errorf("%s does not speak TLS 1.3: %w", role.peer(), op)
	}
	return fmt.Errorf("%s ended the TLS connection: %w", role.peer(), op)
}

// explainCertificate says why a certificate was refused.
func explainCertificate(refused *tls.CertificateVerificationError) error {
	var invalid x509.CertificateInvalidError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	name := "?"
	if len(refused.UnverifiedCertificates) > 0 {
		name = CertificateName(refused.UnverifiedCertificates[0])
	}
	switch {
	case errors.As(refused.Err, &host):
		return fmt.Errorf("certificate %q is not for the name %q: %w", name, host.Host, refused)
	case errors.As(refused.Err, &unknown):
		return fmt.Errorf("certificate %q is not signed by a CA of -tlsca: %w", name, refused)
	case errors.As(refused.Err, &invalid) && invalid.Reason == x509.Expired && time.Until(invalid.Cert.NotBefore) > 0:
		return fmt.Errorf("certificate %q is not valid before %s: %w", name, invalid.Cert.NotBefore.Format(time.RFC3339), refused)
	case errors.As(refused.Err, &invalid) && invalid.Reason == x509.Expired:
		return fmt.Errorf("certificate %q expired on %s: %w", name, invalid.Cert.NotAfter.Format(time.RFC3339), refused)
	case errors.As(refused.Err, &invalid) && invalid.Reason == x509.IncompatibleUsage:
		return fmt.Errorf("certificate %q is for another use (see its extended key usage): %w", name, refused)
	}
	return fmt.Errorf("certificate %q is refused: %w", name, refused)
}

// CertificateName is the name by which people know a certificate.
func CertificateName(c *x509.Certificate) string {
	switch {
	case c.Subject.CommonName != "":
		return c.Subject.CommonName
	case len(c.DNSNames) > 0:
		return c.DNSNames[0]
	case len(c.IPAddresses) > 0:
		return c.IPAddresses[0].String()
	}
	return c.Subject.String()
}
