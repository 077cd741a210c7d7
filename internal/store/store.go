package store

import (
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
)

// Store answers requests about sessions, and keeps the sessions until they expire. It is for
// the loop goroutine only.
//
// now is monotonic time since the start of the process and must not run backwards. A
// session that is added at now with a ttl is there up to and including the instant
// now+ttl, and gone after it; with a ttl of 0 it is never there. An id that expired can
// be added again.
type Store interface {
	// Serve sets where the answers go. It must be called before the first Do.
	Serve(a Answers)
	// Announce shows the ids of lookups that are about to come through Do, so that a store
	// can wait for all of them together. A store may ignore it.
	Announce(ids [][]byte)
	// Do carries out r. Its answer comes through Answers, once: before Do returns, or later on
	// the loop goroutine. Requests of one client for one id are carried out in order. r and
	// its bytes live until Do returns.
	Do(r *Request, now time.Duration)
	// Flush is called at the end of a turn: a store that gathers requests sends them now.
	Flush(now time.Duration)
	// Expire drops at most budget expired sessions, the soonest to expire first, and
	// returns how many it dropped. When that is budget there may be more: call again in a
	// later turn of the loop. Correctness never waits for it, memory does.
	Expire(now time.Duration, budget int) int
	// Deadline is the first instant at which Expire has something to do, or deadline.Never.
	Deadline() time.Duration
	// Stats gives the figures for logs and metrics. It is cheap: nothing is walked.
	Stats() Stats
	// Status tells where the store stands.
	Status(now time.Duration) metrics.Status
	// Figures copies the figures that it has beside Stats; nil: there are none.
	Figures() metrics.Source
	// Close wipes the sessions and gives the memory back. After it only another Close is
	// allowed.
	Close() error
}

// Request is one request to a Store.
type Request struct {
	Ticket Ticket
	Op     codec.Op
	ID     []byte
	Data   []byte        // of an ADD: 1 to codec.MaxDataLen bytes
	TTL    time.Duration // of an ADD
}

// Ticket names the request in its answer. A Store does not look into it.
type Ticket struct {
	Client int32
	Seq    uint32
	UID    uint32
}

// Answers takes what a Store has to say.
type Answers interface {
	// Answer brings the answer to the request with this ticket and operation. data is the
	// session, for a GET with StatusOK; it lives until Answer returns.
	Answer(t Ticket, op codec.Op, s codec.Status, data []byte, now time.Duration)
	// Evicted tells that sessions were dropped before their time, because the store was
	// full in that way.
	Evicted(sessions int, full Full, now time.Duration)
}

// AddResult is what an Add did.
type AddResult struct {
	Outcome Outcome
	// Evicted is how many sessions that had not expired were dropped to make room, and Full
	// the limit that forced out the last of them.
	Evicted int
	Full    Full
}

// Full says which limit has been reached.
type Full uint8

// The limits of a store. The zero value is none of them.
const (
	// FullOfSessions means that the store holds Config.MaxSessions.
	FullOfSessions Full = iota + 1
	// FullOfBytes means that the records take Config.MaxBytes.
	FullOfBytes
	// FullMachine means that the kernel refuses more memory.
	FullMachine
)

// String gives the name for logs.
func (f Full) String() string {
	switch f {
	case FullOfSessions:
		return "sessions"
	case FullOfBytes:
		return "bytes"
	case FullMachine:
		return "machine"
	}
	return "none"
}

// Outcome says how an Add ended.
type Outcome uint8

// The outcomes of an Add. The zero value is none of them.
const (
	// Stored means that the session was taken.
	Stored Outcome = iota + 1
	// Exists means that a session with that id is there; it was left as it is.
	Exists
	// Refused means that the id or the data is empty or too long; nothing changed.
	Refused
)

// String gives the name for logs.
func (o Outcome) String() string {
	switch o {
	case Stored:
		return "stored"
	case Exists:
		return "exists"
	case Refused:
		return "refused"
	}
	return "none"
}

// Stats are the figures of a store. Every session stored or adopted is in Sessions or was
// counted once as Removed, Expired or Evicted.
type Stats struct {
	Sessions int   // held now, as Len
	Capacity int   // the most that can be held; 0: they are not in this process, and only what happens is known
	Bytes    int64 // of ids and data held now
	// Memory is what the store takes of the machine's memory, in bytes: an upper estimate
	// of its part of the resident set.
	Memory int64

	Stored  uint64 // ADDs taken
	Exists  uint64 // ADDs of an id that was there
	Refused uint64 // ADDs out of range
	Removed uint64 // sessions removed by their id
	Expired uint64 // sessions dropped after their time
	Evicted uint64 // sessions dropped before their time, to make room
	Adopted uint64 // sessions taken over from the process before
}

// The names of figures of stores in other machines.
const (
	FigureUp     = "distcache_store_up"
	FigureErrors = "distcache_store_errors_total"
	FigureTimes  = "distcache_store_seconds"
)
