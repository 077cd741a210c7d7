package redis

import (
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/store"
	"distcache/internal/store/seal"
)

const (
	never = deadline.Never

	// maxOpen is the most requests that may be without an answer. Further ones are answered at once, with Full.
	maxOpen = 16384
	// maxBytes is the most bytes of keys and values in all batches. What is beyond is answered at once, with Full.
	maxBytes = 16 << 20
	// maxMoves is how many redirects a request follows. Then it is answered, with Moved.
	maxMoves = 3
	// maxNodes is the most servers. What a redirect to a further one leads to is answered, with Moved. A cluster of Redis
	// has 1,000 servers at most, with their replicas.
	maxNodes = 512
	// maxUnderWay is the most commands that are under way to all servers together: it bounds their replies. From 5 servers
	// on the batches are smaller than batchCommands for it.
	maxUnderWay = 16 * batchCommands
)

// Loop is what a Store needs of its event loop.
type Loop interface {
	// Post runs fn on the loop. Any goroutine may call it.
	Post(fn func()) error
	// EndTurn asks for Flush before the loop sleeps.
	EndTurn()
	Now() time.Duration
}

// Dialer makes what the Store talks with.
type Dialer interface {
	// Link makes the connections to a server. It returns at once.
	Link(address string) Link
	// Topology asks which servers there are. It returns at once; found is posted. elsewhere: the server that has answered
	// last may be wrong, so another one is asked first.
	Topology(elsewhere bool, found func(t topology, err error))
	// Close ends what Topology keeps. The Links are closed before.
	Close()
}

// Observer is told what an operator may want to know.
type Observer interface {
	// StoreChanged is called when a server gets into trouble, or out of it.
	StoreChanged(c Change, now time.Duration)
	// StoreFound is called when the servers were found, and when they are others than before.
	StoreFound(mode Mode, addresses []string, now time.Duration)
	// StoreNotFound is called when no server told which ones there are, once for each reason.
	StoreNotFound(k Kind, reason string, now time.Duration)
	// NotOpened is called for a session that does not open with any of the keys, or was changed.
	NotOpened(reason error, now time.Duration)
}

// Config sets what a Store does.
type Config struct {
	Prefix  string        // of all keys
	Timeout time.Duration // from Do to the answer
	Seal    *seal.Keys    // nil: sessions and IDs are stored as they are
}

// Store is the store.Store that keeps sessions in Redis or Valkey. It is for the loop goroutine only.
type Store struct {
	config   Config
	loop     Loop
	dialer   Dialer
	observer Observer
	answers  store.Answers
	started  bool
	closed   bool

	requests requests
	spare    []*batch
	bytes    int // in batches
	underWay int // commands in batches that run
	route    route
	key      []byte // scratch
	opened   []byte // scratch: a session that was sealed
	stats    store.Stats
	counters counters
}

var _ store.Store = (*Store)(nil)

// New makes a Store. It asks nobody before Start.
func New(c Config, l Loop, d Dialer, o Observer) *Store {
	return &Store{config: c, loop: l, dialer: d, observer: o, requests: newRequests(), route: newRoute()}
}

// Start begins to look for the servers. Requests before that are answered at once, as while none is found.
func (s *Store) Start(now time.Duration) {
	s.started = true
	s.lookAround(now)
}

// Reseal puts other keys in force. It is for a Store that was made with some.
func (s *Store) Reseal(k *seal.Keys) { s.config.Seal = k }

// Serve implements store.Store.
func (s *Store) Serve(a store.Answers) { s.answers = a }

// Announce implements store.Store: there is nothing to read ahead.
func (s *Store) Announce([][]byte) {}

// Flush implements store.Store: what the turn has gathered is sent.
func (s *Store) Flush(time.Duration) {
	for _, n := range s.route.nodes {
		n.dispatch()
	}
}

// Deadline implements store.Store.
func (s *Store) Deadline() time.Duration {
	next := s.route.due(s.started)
	if oldest := s.requests.oldest; oldest != none {
		next = min(next, s.requests.all[oldest].at+s.config.Timeout)
	}
	return next
}

// Expire implements store.Store: Redis drops what expires. It answers requests whose time is over, and probes.
func (s *Store) Expire(now time.Duration, _ int) int {
	s.timeOut(now)
	for _, n := range s.route.nodes {
		n.expire(now)
	}
	if s.started && s.route.lookAt <= now {
		s.lookAround(now)
	}
	s.Flush(now)
	return 0
}

// Stop answers whoever still waits: the daemon ends, and -storetimeout may be longer than that takes.
func (s *Store) Stop(now time.Duration) {
	for s.requests.oldest != none {
		late := outcome{status: codec.StatusDisconnected, kind: Late}
		s.answer(s.requests.oldest, &late, now)
	}
}

// Stats implements store.Store. How many sessions there are, Redis alone knows.
func (s *Store) Stats() store.Stats { return s.stats }

// Close implements store.Store. Whoever still waits is not answered any more: the loop has ended.
func (s *Store) Close() error {
	s.closed = true
	for _, n := range s.route.nodes {
		n.link.Close()
	}
	s.dialer.Close()
	return nil
}
