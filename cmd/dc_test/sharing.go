package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"distcache/internal/daemon/options"
)

// maxHosts is how many hosts -tls takes. Each is asked a few times, one after the other.
const maxHosts = 64

// errNotShared is returned when no host resumes a session of another one.
var errNotShared = errors.New("no session is resumed across hosts")

// sharing is -tls: it finds out whether hosts resume each other's TLS sessions.
type sharing struct {
	hosts  []string // host:port, two at least
	server string   // the name that each of them is asked for; "": none
	roots  *x509.CertPool
	wait   time.Duration       // of each handshake
	leaves []*x509.Certificate // of each host
}

// session is what a server gave, in the form that its method knows: *tls.ClientSessionState, or the PEM of OpenSSL; nil: none.
type session any

// handshake is the outcome of one.
type handshake struct {
	took    time.Duration
	resumed bool
	cipher  string
	session session
	about   string // what is worth telling of the session, or why there is none
	leaf    *x509.Certificate
}

// method is a way to resume a session.
type method interface {
	name() string
	// shake makes a handshake with the host and offers it the session, if there is one.
	shake(ctx context.Context, host string, offered session) (handshake, error)
}

// offer is a session of one host that another one was offered.
type offer struct {
	from, to int // indexes of hosts
	result   string
	handshake
	full time.Duration // what a full handshake with the host took
	why  string
}

// The results of an offer.
const (
	resumed    = "resumed"
	notResumed = "not resumed"
	noSession  = "no session"
	failed     = "failed"
	impossible = "no"
)

// nowhere is the host that no session comes from.
const nowhere = -1

// parseHosts reads the value of -tls. The port is 443 unless it is given.
func parseHosts(text string) (hosts []string, err error) {
	for _, at := range strings.Split(text, ",") {
		host, port, err := net.SplitHostPort(at)
		if err != nil {
			host, port = strings.Trim(at, "[]"), "443"
		}
		number, err := strconv.ParseUint(port, 10, 16)
		isName := host != "" && !strings.ContainsAny(host, " /[]:")
		if !isName && net.ParseIP(withoutZone(host)) == nil || err != nil || number == 0 {
			return nil, fmt.Errorf("%q is not host:port", at)
		}
		at = net.JoinHostPort(host, port)
		if slices.Contains(hosts, at) {
			return nil, fmt.Errorf("%q has %s twice", text, at)
		}
		hosts = append(hosts, at)
	}
	if len(hosts) < 2 || len(hosts) > maxHosts {
		return nil, fmt.Errorf("%q: give 2 to %d hosts, not %d", text, maxHosts, len(hosts))
	}
	return hosts, nil
}

// serverName is what hosts are asked for without -servername: the first host, if that is a name.
func serverName(hosts []string) string {
	if host := hostOf(hosts[0]); net.ParseIP(host) == nil {
		return host
	}
	return ""
}

// hostOf is the host in host:port, as a certificate names it.
func hostOf(at string) string {
	host, _, _ := net.SplitHostPort(at)
	return withoutZone(host)
}

func withoutZone(host string) string {
	host, _, _ = strings.Cut(host, "%")
	return host
}

// readRoots reads the certificates of -tlsca.
func readRoots(path string) (*x509.CertPool, error) {
	const most = 4 << 20
	content, err := options.ReadFile(path, most)
	if err != nil {
		return nil, fmt.Errorf("-tlsca %s: %w", path, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("-tlsca %s: the file has no PEM certificate", path)
	}
	return roots, nil
}

// share is -tls. It returns nil when at least one session is resumed across hosts.
func share(c *config, stdout, _ io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	s := &sharing{hosts: c.hosts, server: c.servername, wait: c.load.AnswerLimit}
	if s.server == "" {
		s.server = serverName(s.hosts)
	}
	if c.tls.CA != "" {
		if s.roots, err = readRoots(c.tls.CA); err != nil {
			return err
		}
	}
	if err := s.reach(ctx); err != nil {
		return err
	}
	byID, missing := s.openssl()
	table := &sharingTable{sharing: s}
	if missing != nil {
		table.cannotTell("TLS 1.2, session ID", missing)
	} else {
		defer byID.close()
		table.add(byID, s.ring(ctx, byID))
	}
	for _, m := range []method{newTicket12(s), newTicket13(s)} {
		table.add(m, s.ring(ctx, m))
	}
	if err := ctx.Err(); err != nil {
		return errors.New("interrupted")
	}
	return errors.Join(table.verdict(), table.write(stdout))
}

// reach makes a handshake with each host, so that a host that is away, or speaks no TLS, is known at once.
func (s *sharing) reach(ctx context.Context) error {
	var failures []string
	for _, host := range s.hosts {
		h, err := newAny(s).shake(ctx, host, nil)
		if err != nil {
			failures = append(failures, fmt.Sprintf("%s: %v", host, err))
		}
		s.leaves = append(s.leaves, h.leaf)
	}
	if len(failures) > 0 {
		return errors.New(strings.Join(failures, "; "))
	}
	return nil
}

// ring makes a full handshake with each host, and then offers each next one, and at last the first, the newest session.
// Hosts that make no such handshake are left out.
func (s *sharing) ring(ctx context.Context, m method) (offers []offer) {
	full := make([]handshake, len(s.hosts))
	var able []int
	for n, host := range s.hosts {
		h, err := m.shake(ctx, host, nil)
		if err != nil {
			offers = append(offers, offer{from: nowhere, to: n, result: impossible, why: fmt.Sprintf("it makes no such handshake: %v", err)})
			continue
		}
		full[n], able = h, append(able, n)
	}
	if len(able) < 2 {
		return offers
	}
	from, given := able[0], full[able[0]]
	for _, to := range append(able[1:], able[0]) {
		o := offer{from: from, to: to, full: full[to].took}
		if given.session == nil {
			o.result, o.why = noSession, given.about
			offers, from, given = append(offers, o), to, full[to]
			continue
		}
		h, err := m.shake(ctx, s.hosts[to], given.session)
		o.handshake = h
		switch {
		case err != nil:
			o.result, o.why = failed, err.Error()
			h = full[to]
		case h.resumed:
			o.result, o.why = resumed, given.about
		default:
			o.result, o.why = notResumed, s.whyNot(ctx, m, o, given)
		}
		offers = append(offers, o)
		if h.session != nil || !h.resumed { // a session that is resumed without a new one goes on
			from, given = to, h
		}
	}
	return offers
}

// whyNot tells what may be the reason that a host made a full handshake. It offers the host a session of its own.
func (s *sharing) whyNot(ctx context.Context, m method, o offer, given handshake) string {
	var reasons []string
	if o.cipher != given.cipher {
		reasons = append(reasons, fmt.Sprintf("it chose %s, and the session has %s", o.cipher, given.cipher))
	}
	if !s.leaves[o.from].Equal(s.leaves[o.to]) {
		reasons = append(reasons, "its certificate is another one: is it the same site?")
	}
	own := "it gives no session of its own either"
	if o.session != nil {
		again, err := m.shake(ctx, s.hosts[o.to], o.session)
		switch {
		case err != nil:
			own = "its own session fails, too"
		case again.resumed:
			own = "it resumes its own sessions: the two share neither cache nor ticket keys"
		default:
			own = "it does not resume its own sessions either"
		}
	}
	return strings.Join(append(reasons, own), "; ")
}
