package upstream

import (
	"slices"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// MaxServers is how many dc_servers a list may have. More is a mistake: each has a connection, or an attempt.
const MaxServers = 64

// ServersConfig sets how Servers choose.
type ServersConfig struct {
	// Spread uses all servers, each for its share of the session IDs. Otherwise one serves: the first of the list
	// that is up.
	Spread bool
	Retry  time.Duration // the flag -retry
	// Drain is how long a server that was left has to answer what it was asked.
	Drain time.Duration
	// Random fills b with random bytes: jitter.
	Random func(b []byte)
}

// Overseer is told what becomes of the servers of a list.
type Overseer interface {
	// MemberChanged is called after each change of a member's connection, when the list has acted on it.
	MemberChanged(m *Member, from, to State, why error, now time.Duration)
	// ServingChanged is called, unless all serve, when another member serves than before. from is nil when none did.
	ServingChanged(from, to *Member, now time.Duration)
}

// Spec is what a new Member needs.
type Spec struct {
	Name      string // of the list: unique, and another one where the way to the server is another
	Share     string // what rendezvous hashing takes for its name; "": Name
	Config    Config
	Transport Transport
	Watcher   Watcher // of its connection; nil: none
}

// Servers is a list of dc_servers, and decides which of them is asked. As a Server it is a pure state machine that
// belongs to the loop goroutine.
//
// Failover: the first of the list that is up serves. When it is lost, attempts to the others begin, in order: each next one
// when the one before failed, or after stagger. Those better than the one that serves go on to be tried, each as often
// as its own Link says. Once one is up it takes over: requests go there, and those in flight end on the old connection. The
// worse ones rest. So one connection is up, beside those that are about to end.
//
// Spread: all are connected, and the session ID chooses. A lost one is not replaced.
type Servers struct {
	config   ServersConfig
	answers  Answers
	overseer Overseer
	members  []*Member // in order; empty before the first Arrange that has names
	orphans  []*line   // connections that belong to no member any more, while they owe answers

	target  *Server // of the one that serves, or served last; never nil
	tail    *Server // who gave the last Tail
	serving *Member // nil: none, or all
	share   rendezvous

	cursor   int           // failover, while none serves: the next member whose first attempt is to begin
	trying   *Member       // the member whose attempt began last in this round
	except   *Member       // skipped in this round: it was just lost, and its own Link tries again
	cursorAt time.Duration // when cursor moves on in any case; deadline.Never: it has reached the end

	started, stopping bool
}

// NewServers makes an empty list. Arrange gives it members.
func NewServers(config ServersConfig, a Answers, o Overseer) *Servers {
	nobody := New(Config{MaxInFlight: 1, Timeout: deadline.Never, Random: config.Random}, nowhere{}, a, nil)
	return &Servers{config: config, answers: a, overseer: o, target: nobody, tail: nobody, cursorAt: deadline.Never}
}

// nowhere is the Transport of a Server that is never started.
type nowhere struct{}

func (nowhere) Drive(*Link)               {}
func (nowhere) Dial()                     {}
func (nowhere) Write([]byte) (int, error) { return 0, ErrNotUp }
func (nowhere) Close()                    {}

// Start begins to connect.
func (s *Servers) Start(now time.Duration) {
	s.started = true
	if s.config.Spread {
		for _, m := range s.members {
			m.line.server.Start(now)
		}
		return
	}
	s.startRound(nil, now)
}

// Stop ends all connections for good; requests in flight are answered DISCONNECTED.
func (s *Servers) Stop(now time.Duration) {
	s.stopping, s.serving, s.cursorAt = true, nil, deadline.Never
	for _, m := range s.members {
		m.endMove(now)
	}
	for len(s.orphans) > 0 {
		s.end(s.orphans[0], now)
	}
	for _, m := range s.members {
		m.startAt, m.drainTo = deadline.Never, deadline.Never
		m.line.server.Stop(now)
	}
}

// Members are the servers of the list, in order. The slice is not to be changed.
func (s *Servers) Members() []*Member { return s.members }

// Serving is the member that serves; nil: none does, or all do.
func (s *Servers) Serving() *Member { return s.serving }

// Target is the Server of the member that serves, or served last.
func (s *Servers) Target() *Server { return s.target }

// Tail is memory behind the batch of the target, to read a client's bytes into. A Submit to that server does not copy a
// request that begins there. It is valid until the next Tail or Flush; the requests in it may be submitted in their order.
func (s *Servers) Tail() []byte {
	s.tail = s.target
	return s.tail.mux.batch.tail(tailRoom)
}

// Consumed wipes what of the n bytes that were read into Tail last is not on its way to dc_server.
func (s *Servers) Consumed(n int) { s.tail.mux.batch.consumed(n) }

// Submit forwards a request for owner to the server that is to answer it; see Server.Submit.
func (s *Servers) Submit(owner Owner, r *codec.Message, now time.Duration) error {
	if !s.config.Spread || len(s.members) == 0 {
		return s.target.Submit(owner, r, now)
	}
	return s.members[s.share.choose(r.SessionID())].line.server.Submit(owner, r, now)
}

// Settled reports whether it is known how the connections stand: one serves, or all have been tried. Until then a
// request that finds no connection may soon find one.
func (s *Servers) Settled() bool {
	switch {
	case s.stopping:
		return true
	case len(s.members) == 0:
		return false
	case s.config.Spread:
		return !slices.ContainsFunc(s.members, func(m *Member) bool { return !m.tried })
	case s.serving != nil:
		return s.serving.State() == Up
	}
	return s.cursorAt == deadline.Never && !slices.ContainsFunc(s.members, func(m *Member) bool { return m.State() != Down })
}

// Up reports whether each request finds a connection: one serves, or all are up where all do.
func (s *Servers) Up() bool {
	if s.config.Spread {
		return len(s.members) > 0 && !slices.ContainsFunc(s.members, func(m *Member) bool { return m.State() != Up })
	}
	return s.target.State() == Up
}

// InFlight is the number of requests that wait for their answers.
func (s *Servers) InFlight() int {
	n := 0
	for _, m := range s.members {
		n += m.line.server.mux.InFlight()
	}
	for _, l := range s.orphans {
		n += l.server.mux.InFlight()
	}
	return n
}

// Flush writes what the turn has gathered, and ends connections that owe nothing any more.
func (s *Servers) Flush(now time.Duration) {
	for _, m := range s.members {
		m.line.server.link.Flush(now)
	}
	if len(s.members) > 1 || len(s.orphans) > 0 {
		s.finish(now)
	}
}

// Deadline is when Expire is to be called next.
func (s *Servers) Deadline() time.Duration {
	next := s.cursorAt
	for _, m := range s.members {
		next = min(next, m.line.server.Deadline(), m.startAt, m.drainTo)
		if m.next != nil {
			next = min(next, m.next.server.Deadline())
		}
	}
	for _, l := range s.orphans {
		next = min(next, l.server.Deadline(), l.until)
	}
	return next
}

// Expire does what is due.
func (s *Servers) Expire(now time.Duration) {
	for _, m := range s.members {
		m.expire(now)
	}
	for i := len(s.orphans) - 1; i >= 0; i-- { // it may become shorter
		s.orphans[i].server.Expire(now)
	}
	if s.cursorAt <= now {
		s.advance(now)
	}
	s.finish(now)
}
