package engine

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"distcache/engine/deadline"
	"distcache/engine/secure"
	"distcache/engine/socket"
)

const (
	// MaxSecure is how many clients over TLS a loop has at a time, for each takes some 60 KB. Further ones are closed at
	// once.
	MaxSecure = 2048
	// maxHandshakes is how many of these may be in the handshake. Further ones are closed at once.
	maxHandshakes = 1024
	// handshakeTimeout is how long a handshake may take, with the time that it waits for others.
	handshakeTimeout = 2 * time.Second
	// expirePerCall bounds how long closing clients keeps the loop from the others.
	expirePerCall = 128
)

var (
	// errMaxSecure and errHandshakes are reasons why clients are refused.
	errMaxSecure  = fmt.Errorf("limit of TLS clients reached (%d)", MaxSecure)
	errHandshakes = fmt.Errorf("limit of TLS handshakes under way reached (%d)", maxHandshakes)
	// errSilent and errSlow are reasons why a handshake failed.
	errSilent = errors.New("the client sent no TLS message: it must use a TLS: address for this server")
	errSlow   = errors.New("the client did not finish the TLS handshake in time")
)

// security is what the clients over TLS of a loop have in common.
type security struct {
	clients    *Clients
	config     func() *tls.Config
	queue      *secure.Queue
	handshakes deadline.Entries
	timeout    *deadline.Queue // those that are under way, by descriptor
	open       int             // clients over TLS, with those in the handshake
	most       int             // of these: MaxSecure
	// mostUnderWay is maxHandshakes.
	mostUnderWay int
	refused      uint64
	warnAt       time.Duration
}

// Secure prepares for clients over TLS: those of listeners that are Secure. config gives the configuration of the next
// handshake. It is to be called before Listen.
func (cs *Clients) Secure(config func() *tls.Config) {
	s := &security{clients: cs, config: config, most: MaxSecure, mostUnderWay: maxHandshakes}
	s.queue = secure.NewQueue(cs.loop.Post, config, secure.NewShared(cs.pool))
	s.timeout = s.handshakes.NewQueue(handshakeTimeout)
	cs.security = s
	cs.loop.Schedule(s)
}

// Refused is how many handshakes failed.
func (cs *Clients) Refused() uint64 {
	if cs.security == nil {
		return 0
	}
	return cs.security.refused
}

// full tells why one more client over TLS is refused, or nil.
func (s *security) full() error {
	switch {
	case s.open >= s.most:
		return errMaxSecure
	case s.timeout.Len() >= s.mostUnderWay:
		return errHandshakes
	}
	return nil
}

// adopt takes the accepted fd as a client over TLS. The error is that of Adopt.
func (s *security) adopt(fd int) error {
	c, err := s.clients.enter(fd, false, 0)
	if err != nil {
		return err
	}
	c.tls = &secured{client: c, security: s, from: socket.PeerAddress(fd)}
	c.tls.handshake = s.queue.Begin(fd, c.tls.changed)
	s.open++
	s.timeout.Set(fd, s.clients.loop.Now())
	return nil
}

// refuse ends a client that the Handler has not heard of. A line in a second tells of one of them.
func (s *security) refuse(t *secured, why error) {
	s.refused++
	if now := s.clients.loop.Now(); now >= s.warnAt && !s.clients.hungUp {
		s.warnAt = now + warnPause
		slog.Warn("TLS client refused", "client", t.from, "reason", why, "refused", s.refused)
	}
	s.clients.Close(t.client.fd)
}

// Review closes the clients over TLS that the new configuration refuses: Session.Check.
func (cs *Clients) Review() {
	if cs.security == nil {
		return
	}
	for fd, c := range cs.table {
		if c == nil || c.tls == nil || c.tls.session == nil {
			continue
		}
		if err := c.tls.session.Check(cs.security.config()); err != nil {
			slog.Warn("TLS client closed", "client", c.tls.from, "reason", err)
			c.handler.Failed(fd, err, cs.loop.Now())
		}
	}
}

// Deadline is when the next handshake has taken too long.
func (s *security) Deadline() time.Duration { return s.timeout.Deadline() }

// Expire ends handshakes that take too long. When they are many, Deadline stays in the past and the rest follow.
func (s *security) Expire(now time.Duration) {
	for range expirePerCall {
		fd, ok := s.timeout.Due(now)
		if !ok {
			return
		}
		t := s.clients.table[fd].tls
		why := errSlow
		if t.handshake.Silent() {
			why = errSilent
		}
		s.refuse(t, fmt.Errorf("%w (%v)", why, handshakeTimeout))
	}
}
