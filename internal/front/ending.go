package front

import (
	"errors"
	"time"

	"distcache/engine/deadline"
)

// Reason is why the Front closed a client.
type Reason uint8

// The reasons.
const (
	Corrupt        Reason = iota // it sent what is no request
	PartialTimeout               // its request took over WholeTimeout to arrive
	UnreadTimeout                // it left answers unread for ReadTimeout
	IdleTimeout                  // it asked nothing for the idle time
	SocketError                  // its socket failed
	NoMemory                     // the memory for unfinished requests, or for unread answers, is used up
	Displaced                    // it was idle, and another client needed its place

	// NumReasons is the number of reasons: tables by reason have this length.
	NumReasons
)

// String gives the name used in logs and metrics.
func (r Reason) String() string {
	switch r {
	case Corrupt:
		return "corrupt"
	case PartialTimeout:
		return "partial-timeout"
	case UnreadTimeout:
		return "unread-timeout"
	case IdleTimeout:
		return "idle-timeout"
	case SocketError:
		return "socket-error"
	case NoMemory:
		return "no-memory"
	case Displaced:
		return "displaced"
	}
	return "unknown"
}

// drop closes c for a reason that is counted and reported.
func (f *Front) drop(c int, why Reason, err error, now time.Duration) {
	f.Counters.Dropped[why]++
	f.requests.Dropped(c, why, err, now)
	f.close(c)
}

// close ends c. Answers to its open requests are dropped: their numbers are not used again.
func (f *Front) close(c int) {
	d := &f.clients[c]
	if d.held != nil {
		f.pool.Put(d.held)
	}
	if d.rare != nil {
		for _, e := range d.rare.early {
			f.pool.Put(e.wire)
		}
	}
	if f.foreign != nil {
		f.foreign.Closed(c)
	}
	if f.outFor == c {
		clear(f.out)
		f.outFor, f.out = none, f.out[:0]
	}
	f.entries.Clear(c)
	if d.phase > idle {
		f.busy--
	}
	*d = client{seq: d.seq + max(1, d.open)}
	f.sockets.Close(c)
}

// errFull is the detail of Displaced.
var errFull = errors.New("it was idle, and the client limit is reached (-maxclients)")

// roomTries is how many clients MakeRoom looks at: one that it does not close leaves by itself soon.
const roomTries = 4

// MakeRoom closes the client that was answered longest ago and is idle, so that another one can
// come. It reports false when there is none: a client that has asked nothing yet may be about to.
// hangUp keeps a client from sending more, and reports whether all that it has sent was read. If
// not, that is a request: the client gets its answer, and then its end.
func (f *Front) MakeRoom(hangUp func(c int) bool, now time.Duration) bool {
	for range roomTries {
		c, ok := f.kept.First()
		if !ok {
			break
		}
		if hangUp(c) {
			f.drop(c, Displaced, errFull, now)
			return true
		}
		f.idle.Set(c, now) // where its request comes in a moment
	}
	return false
}

// Deadline is when the next client has kept the daemon waiting too long.
func (f *Front) Deadline() time.Duration {
	return min(f.idle.Deadline(), f.kept.Deadline(), f.partial.Deadline(), f.unread.Deadline())
}

// expirePerCall bounds how long closing clients keeps the loop from the others.
const expirePerCall = 256

// Expire closes the clients that have kept the daemon waiting too long. When they are many,
// Deadline stays in the past and the rest follow.
func (f *Front) Expire(now time.Duration) {
	budget := expirePerCall
	budget = f.expire(f.idle, IdleTimeout, budget, now)
	budget = f.expire(f.kept, IdleTimeout, budget, now)
	budget = f.expire(f.partial, PartialTimeout, budget, now)
	f.expireUnread(budget, now)
}

func (f *Front) expire(q *deadline.Queue, why Reason, budget int, now time.Duration) int {
	for ; budget > 0; budget-- {
		c, ok := q.Due(now)
		if !ok {
			break
		}
		f.drop(c, why, nil, now)
	}
	return budget
}

// expireUnread closes the clients that have not read enough. It has to look: the socket
// reports room for more only after much has been read.
func (f *Front) expireUnread(budget int, now time.Duration) {
	for ; budget > 0; budget-- {
		c, ok := f.unread.Due(now)
		if !ok {
			break
		}
		r := f.clients[c].seldom()
		if left := int32(f.sockets.Unread(c)); left <= r.owed-PaceBytes {
			r.owed, r.since = left, now
		}
		if now < r.since+ReadTimeout {
			f.unread.Set(c, now)
		} else {
			f.drop(c, UnreadTimeout, nil, now)
		}
	}
}
