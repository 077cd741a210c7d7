package upstream

import (
	"errors"
	"fmt"
	"time"

	"distcache/codec"
)

// Config sets a Server's limits and times.
type Config struct {
	MaxInFlight int           // requests, 1 to MaxInFlight
	MaxBatch    int           // bytes that may wait for dc_server to take them
	Timeout     time.Duration // of a request (the flag -timeout); deadline.Never: none
	Retry       time.Duration // the most between two attempts to connect (the flag -retry)
	// Random fills b with random bytes: the probe's ID and the jitter of Retry.
	Random func(b []byte)
	// EndTurn asks for Link.Flush before the loop sleeps; nil: Flush is called in any case.
	EndTurn func()
	// Stray is called at the first unsolicited answer since start; nil: nothing is called.
	// MuxCounters.Unsolicited counts them all.
	Stray func()
	// Late is called, at most once a minute, when requests were not answered within Timeout;
	// nil: nothing is called.
	Late func(Lateness)
	// Figures is where the Server counts; nil: in one of its own.
	Figures *Figures
	// Generation is where the uids begin, for tests of their wrapping.
	Generation uint16
}

// Transport makes one connection at a time to dc_server. Its methods do not call the Link.
type Transport interface {
	// Drive sets the link that the transport reports to. New calls it, once and first.
	Drive(l *Link)
	// Dial begins to connect. Link.Connected or Link.Broken follows.
	Dial()
	// Write writes as much of b as the connection takes now. When that is not all,
	// Link.Writable follows once it takes more, or Link.Broken.
	Write(b []byte) (n int, err error)
	// Close ends the connection, or the attempt. The transport reports nothing of it after
	// that.
	Close()
}

// Answers is where answers go.
type Answers interface {
	// Answer brings the answer to owner's request, in its wire form and under the uid
	// that the request came with. wire lives until Answer returns. Answer may call Submit. It
	// reports false when the owner has left.
	Answer(owner Owner, wire []byte, now time.Duration) bool
}

// Owner names a request of a client: the front that the client came through, the client, and
// the number of the request among those of the client. The Mux gives it back with the answer,
// and does not look into it: whether the client is still there is known to the front.
type Owner struct {
	Front  uint8
	Client int32
	Seq    uint32
}

// Watcher is told of the connection's changes of state.
type Watcher interface {
	// LinkChanged is called after each change. why says what ended a connection or an
	// attempt, and is nil otherwise. Requests in flight have been answered by then; when
	// they are many, the rest are answered in the next turns.
	LinkChanged(from, to State, why error, now time.Duration)
}

// State is where the connection to dc_server stands. Requests are forwarded in Up alone.
//
//	      Start, retry time              Connected              probe answered
//	Down ───────────────▶ Connecting ───────────────▶ Probing ───────────────▶ Up
//	 ▲                        │                          │                      │
//	 └────────────────────────┴──────── failed ──────────┴──────── lost ────────┘
type State uint8

// The states.
const (
	Down       State = iota // waiting for the time of the next attempt
	Connecting              // resolving the name, connecting
	Probing                 // connected, not yet known to be a cache server that answers
	Up
)

// String gives the name used in logs and metrics.
func (s State) String() string {
	switch s {
	case Down:
		return "down"
	case Connecting:
		return "connecting"
	case Probing:
		return "probing"
	case Up:
		return "up"
	}
	return "unknown"
}

// Server is one dc_server: the requests in flight (Mux) and the connection (Link). All
// methods belong to the loop goroutine.
type Server struct {
	mux    *Mux
	link   *Link
	putOff int // bytes read while timeouts are put off; see Expire
}

// New makes a Server that is Down until Start. The transport t reports to it from then on.
func New(config Config, t Transport, a Answers, w Watcher) *Server {
	mux := NewMux(config, a)
	s := &Server{mux: mux, link: NewLink(config, mux, t, w)}
	t.Drive(s.link)
	return s
}

// State is where the connection stands.
func (s *Server) State() State { return s.link.state }

// Start begins the first attempt to connect.
func (s *Server) Start(now time.Duration) { s.link.Start(now) }

// Stop ends the connection for good and answers, with DISCONNECTED, what is in flight.
func (s *Server) Stop(now time.Duration) { s.link.Stop(now) }

// Rest ends the connection until the next Start; see Link.Rest.
func (s *Server) Rest(now time.Duration) { s.link.Rest(now) }

// Submit forwards a request for owner. It returns ErrNotUp unless the state is
// Up, and ErrFull when there is no room.
func (s *Server) Submit(owner Owner, r *codec.Message, now time.Duration) error {
	if s.link.state != Up {
		return ErrNotUp
	}
	return s.mux.submit(waiting, owner, r, now)
}

// Deadline is when Expire is to be called next, or deadline.Never.
func (s *Server) Deadline() time.Duration { return min(s.link.Deadline(), s.mux.Deadline()) }

// heldAnswers is the most that can have come for a process that was held: more than Linux
// keeps for a connection (tcp_rmem, 6 MiB).
const heldAnswers = 8 << 20

// Expire does what is due. The link comes first: when it is lost, its requests need not
// time out one by one. When this process was held for a while, answers that came in time may
// still wait to be read. So requests do not time out while reads fill the buffer. That ends
// after heldAnswers bytes, however fast dc_server sends.
func (s *Server) Expire(now time.Duration) {
	s.link.Expire(now)
	read, more := s.link.LastRead()
	switch {
	case s.mux.Deadline() > now:
		s.putOff = 0
	case more && s.putOff < heldAnswers:
		s.putOff += read
	default:
		s.mux.Expire(now)
	}
}

// Link is what the transport reports to.
func (s *Server) Link() *Link { return s.link }

// Mux is the table of requests in flight.
func (s *Server) Mux() *Mux { return s.mux }

// The errors of Submit, and the reasons to end a connection to dc_server, beside the errors of
// the system and of codec.
var (
	// ErrNotUp is returned by Server.Submit while the state is not Up.
	ErrNotUp = errors.New("no connection to dc_server")
	// ErrFull is returned by Submit when MaxInFlight requests are in flight, or when
	// MaxBatch bytes wait for dc_server to take them.
	ErrFull = errors.New("too many requests in flight")
	// ErrWrongOperation is returned by Deliver for an answer whose operation is not that of
	// the request with its uid.
	ErrWrongOperation = errors.New("answer for a different operation")
	// ErrUnsolicited is returned by Deliver after too many unsolicited answers in a row.
	ErrUnsolicited = errors.New("too many unsolicited answers")
	// ErrProbe is the reason when a new connection answers the probe with something else
	// than OK or NOTOK. It may wrap the error of codec.
	ErrProbe = errors.New("wrong answer to the first request: not a dc_server?")
	// ErrProbeClosed is the reason when a new connection is closed without an answer.
	ErrProbeClosed = errors.New("the connection was closed without an answer to the first request: not a dc_server, or its client limit is reached")
	// ErrProbeTimeout is the reason when a connection was made, but not up within AttemptTimeout.
	ErrProbeTimeout = errors.New("connected, but no answer to the first request: dc_server hangs or accepts no connections, or it is another service")
	// ErrAttemptTimeout is the reason when no connection was made within AttemptTimeout.
	ErrAttemptTimeout = errors.New("timed out while connecting")
	// ErrSilent is the reason when dc_server sends nothing for SilentTimeouts request
	// timeouts, or for SilentFloor if that is longer, with requests in flight.
	ErrSilent = fmt.Errorf("no answer for %d times -timeout, %v at least", SilentTimeouts, SilentFloor)
	// ErrStopped is the reason when Stop or Rest ended the connection.
	ErrStopped = errors.New("stopping")
	// ErrClosed is the reason when dc_server ends the connection.
	ErrClosed = errors.New("closed by the server")
)
