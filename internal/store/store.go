package store

import (
	"time"
)

// Store keeps sessions until they expire. It is for the loop goroutine only.
//
// now is monotonic time since the start of the process and must not run backwards. A
// session that is added at now with a ttl is there up to and including the instant
// now+ttl, and gone after it; with a ttl of 0 it is never there. An id that expired can
// be added again.
//
// No id or data that a caller passes in is kept: bytes are copied.
type Store interface {
	// Add stores a session under an id of 1 to codec.MaxIDLen bytes, with data of 1 to
	// codec.MaxDataLen bytes. In a full store it first drops a session that has expired, or
	// else the one that would expire soonest, the older first among equals, and so on,
	// one at a time, until there is room. data must not be a View of the same store.
	Add(id, data []byte, ttl, now time.Duration) AddResult
	// View gives the data of a session, and whether it is there. The bytes are the
	// store's own: they may be read, not written, until the next call of any method.
	View(id []byte, now time.Duration) (data []byte, ok bool)
	// Have reports whether a session is there.
	Have(id []byte, now time.Duration) bool
	// Remove drops a session, and reports whether it was there.
	Remove(id []byte, now time.Duration) bool
	// Expire drops at most budget expired sessions, the soonest to expire first, and
	// returns how many it dropped. When that is budget there may be more: call again in a
	// later turn of the loop. Correctness never waits for it, memory does.
	Expire(now time.Duration, budget int) int
	// Deadline is the first instant at which Expire has something to drop: just after
	// the soonest expiry. It is Never while the store is empty.
	Deadline() time.Duration
	// Len is the number of sessions held, those included that expired and were not
	// dropped yet.
	Len() int
	// Stats gives the figures for logs and metrics. It is cheap: nothing is walked.
	Stats() Stats
	// Close wipes the sessions and gives the memory back. The store must not be used
	// after it, but for another Close.
	Close() error
}

// AddResult is what an Add did.
type AddResult struct {
	Outcome Outcome
	// Evicted is how many sessions that had not expired were dropped to make room.
	Evicted int
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

// Stats are the figures of a store. Every session stored is in Sessions or was counted
// once as Removed, Expired or Evicted.
type Stats struct {
	Sessions int   // held now, as Len
	Capacity int   // the most that can be held
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
}
