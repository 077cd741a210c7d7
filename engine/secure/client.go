package secure

import (
	"context"
	"crypto/tls"
	"net"
)

// Client performs the client's handshake over connected, on the goroutine of the caller, until ctx ends. When it returns
// a Session, connected is not used any more, and the caller may close it once it has a descriptor of the connection: a
// duplicate, as upstream/conn makes one. The loop then calls Attach with that descriptor and goes on:
//
//	connected, err := dialer.DialContext(ctx, network, address)
//	session, err := secure.Client(ctx, connected, config)
//	fd := duplicate(connected)      // non-blocking
//	connected.Close()
//	… on the loop:
//	session.Attach(fd, shared)
//	n, err := session.Read(b)       // at once: see the package
//
// Until Attach the Session has no memory to give back, so that one that is not needed any more is dropped: the caller
// closes the descriptor. In TLS 1.3 the handshake succeeds before the server has looked at the client's certificate: if it
// refuses that, Read returns the reason.
//
// The error is a sentence of Explain, or the cause of ctx's end.
func Client(ctx context.Context, connected net.Conn, config *tls.Config) (*Session, error) {
	s := newSession(Dialled)
	s.wire.handshake = connected
	s.tls = tls.Client(&s.wire, clientConfig(config))
	if err := s.tls.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, s.explain(err)
	}
	s.wire.handshake = nil
	return s, nil
}

// Blocking is Client for a program that reads and writes on goroutines. Reads return errors of crypto/tls: see Explain.
// connected stays in use.
func Blocking(ctx context.Context, connected net.Conn, config *tls.Config) (*tls.Conn, error) {
	conn := tls.Client(connected, clientConfig(config))
	if err := conn.HandshakeContext(ctx); err != nil {
		return nil, Explain(Dialled, err)
	}
	return conn, nil
}

// clientConfig makes config strict.
func clientConfig(config *tls.Config) *tls.Config {
	config = strict(config)
	if len(config.Certificates) > 0 && config.GetClientCertificate == nil {
		// crypto/tls would send none where the server does not name its CA, and the server could not tell what is wrong.
		config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			return &config.Certificates[0], nil
		}
	}
	return config
}

func newSession(role Role) *Session {
	s := &Session{fd: -1, role: role}
	s.wire.session = s
	return s
}

// Attach gives the Session of Client its non-blocking descriptor, and what it shares with others of the loop.
func (s *Session) Attach(fd int, shared *Shared) { s.fd, s.shared = fd, shared }
