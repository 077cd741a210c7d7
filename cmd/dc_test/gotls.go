package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// closeWait is how long a server may take to end the connection when it is told of the end, as most do, once there is a
// ticket or none is to come.
const closeWait = 100 * time.Millisecond

// goTLS makes handshakes with crypto/tls: those that resume by ticket.
type goTLS struct {
	sharing     *sharing
	title       string
	least, most uint16
}

func newAny(s *sharing) goTLS { return goTLS{s, "", tls.VersionTLS12, tls.VersionTLS13} }
func newTicket12(s *sharing) goTLS {
	return goTLS{s, "TLS 1.2, ticket", tls.VersionTLS12, tls.VersionTLS12}
}
func newTicket13(s *sharing) goTLS { return goTLS{s, "TLS 1.3", tls.VersionTLS13, tls.VersionTLS13} }

func (g goTLS) name() string { return g.title }

// oneSession is a tls.ClientSessionCache for one handshake. It gives its session to any host.
type oneSession struct {
	offered, given *tls.ClientSessionState
	arrived        func() // called when a ticket arrives after the handshake; nil before
}

func (o *oneSession) Get(string) (*tls.ClientSessionState, bool) { return o.offered, o.offered != nil }

func (o *oneSession) Put(_ string, s *tls.ClientSessionState) {
	if s != nil {
		o.given = s
	}
	if o.arrived != nil {
		o.arrived()
	}
}

// shake implements method.
func (g goTLS) shake(ctx context.Context, host string, offered session) (h handshake, err error) {
	ctx, cancel := context.WithTimeout(ctx, g.sharing.wait)
	defer cancel()
	raw, err := dialHost(ctx, host)
	if err != nil {
		return h, err
	}
	defer raw.Close()
	kept := &oneSession{}
	kept.offered, _ = offered.(*tls.ClientSessionState)
	conn := tls.Client(raw, g.config(host, kept))
	began := time.Now()
	if err := conn.HandshakeContext(ctx); err != nil {
		return h, explainHandshake(err)
	}
	h.took = time.Since(began)
	state := conn.ConnectionState()
	h.resumed, h.cipher, h.leaf = state.DidResume, tls.CipherSuiteName(state.CipherSuite), state.PeerCertificates[0]
	end := kept.await(conn, g.sharing.wait)
	if kept.given == nil {
		h.about = fmt.Sprintf("%s sent no ticket", host)
		if end != nil {
			h.about += fmt.Sprintf(": %v", end)
		}
		return h, nil
	}
	h.session = kept.given
	if ticket, _, err := kept.given.ResumptionState(); err == nil {
		h.about = fmt.Sprintf("ticket of %d bytes%s", len(ticket), kindOfTicket(len(ticket)))
	}
	return h, nil
}

// kindOfTicket guesses: OpenSSL's stateful tickets have the length of a session ID.
func kindOfTicket(size int) string {
	if size <= 32 {
		return ", which names a session in a cache"
	}
	return ""
}

func (g goTLS) config(host string, kept *oneSession) *tls.Config {
	var suites []uint16
	for _, suite := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		suites = append(suites, suite.ID) // of TLS 1.2: what the server has matters, not what is good
	}
	return &tls.Config{MinVersion: g.least, MaxVersion: g.most, ServerName: g.sharing.server, ClientSessionCache: kept, CipherSuites: suites,
		InsecureSkipVerify: true, // no certificate is needed to ask whether a session resumes
		VerifyConnection:   func(state tls.ConnectionState) error { return g.sharing.verify(host, state) }}
}

// verify checks a certificate, with -tlsca.
func (s *sharing) verify(host string, state tls.ConnectionState) error {
	if s.roots == nil {
		return nil
	}
	o := x509.VerifyOptions{Roots: s.roots, DNSName: cmp.Or(s.server, hostOf(host)), Intermediates: x509.NewCertPool()}
	for _, c := range state.PeerCertificates[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := state.PeerCertificates[0].Verify(o)
	return err
}

// await reads what the server sends after the handshake, which has the tickets of TLS 1.3. It returns why the server ended
// the connection, or nil where there is nothing wrong.
func (o *oneSession) await(conn *tls.Conn, wait time.Duration) error {
	_ = conn.CloseWrite() // a server that has nothing more to send ends the connection now
	o.arrived = func() { _ = conn.SetReadDeadline(time.Now().Add(closeWait)) }
	if o.given == nil && conn.ConnectionState().Version == tls.VersionTLS13 {
		_ = conn.SetReadDeadline(time.Now().Add(wait))
	} else {
		o.arrived()
	}
	_, err := io.Copy(io.Discard, io.LimitReader(conn, 1<<20))
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return nil
	}
	return err
}

// dialHost connects.
func dialHost(ctx context.Context, host string) (net.Conn, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", host)
	var dial *net.OpError
	switch {
	case err == nil:
		return conn, nil
	case isTimeout(err):
		return nil, errors.New("no connection in time (-wait)")
	case errors.As(err, &dial):
		return nil, dial.Err
	}
	return nil, err
}

// explainHandshake says what a failure of the handshake likely means.
func explainHandshake(err error) error {
	var record tls.RecordHeaderError
	switch {
	case isTimeout(err):
		return errors.New("connected, but the TLS handshake did not end in time (-wait): the server hangs, or does not speak TLS there")
	case errors.As(err, &record):
		return fmt.Errorf("does that port speak TLS? %w", err)
	case errors.Is(err, io.EOF), errors.Is(err, unix.ECONNRESET), errors.Is(err, unix.EPIPE):
		return errors.New("the connection was closed in the handshake: does that port speak TLS?")
	}
	return err
}

func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
