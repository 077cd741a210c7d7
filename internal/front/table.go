package front

import (
	"time"

	"distcache/codec"
	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
)

const (
	// WholeTimeout is how long a request may take from its first byte to its last, and how
	// long after each PaceBytes of one that is larger.
	WholeTimeout = 2 * time.Second
	// PaceBytes is how much of a large request must come in WholeTimeout, and how much of its
	// answers a client must read in ReadTimeout. On a slow link the largest takes longer than
	// that: 4 s at 64 kbit/s.
	PaceBytes = 4 << 10
	// ReadTimeout is how long a client may leave answers unread once its socket is full, and
	// how long after each PaceBytes that it has read. It is noticed a tenth later at most.
	ReadTimeout = 5 * time.Second
	// readLook is the time between two looks how much a client has read.
	readLook = ReadTimeout / 10
	// BatchBytes is how many bytes of answers are gathered before they are written.
	BatchBytes = 64 << 10
)

// Sockets is what a Table does to clients.
type Sockets interface {
	// Write sends b, which lives until Write returns.
	Write(c int, b []byte) engine.Outcome
	// WriteParted is Write to a client that must not find the first at bytes of b and the
	// rest in one read.
	WriteParted(c int, b []byte, at int) engine.Outcome
	// Unread is how many bytes that were written to the client it has not read yet, as far as
	// can be known.
	Unread(c int) int
	// Close ends the client. Nothing is reported of it after that.
	Close(c int)
	// Resume offers the client's bytes again after Buffer returned none. It may call
	// Table.Failed.
	Resume(c int)
}

// Requests is what whole requests are for.
type Requests interface {
	// ReadInto gives the memory for the next bytes of a client that has none held: at
	// most buffer.Largest bytes, left alone until the requests in it are through Request.
	ReadInto() []byte
	// Request takes one whole, valid request, a view that lives until it returns. Taken
	// means that Table.Append has answered it, or Table.Answer will; Later, that it is to be
	// asked again after Table.Retry.
	Request(c int, m codec.Message, now time.Duration) Verdict
	// Left tells that a client left, or was ended, with its request open: nobody waits
	// for the answer, and Answer must not be called.
	Left(c int)
	// Dropped tells that the Table ended a client, and why.
	Dropped(c int, why Reason, err error, now time.Duration)
}

// Verdict is what Requests makes of a request.
type Verdict uint8

// The verdicts.
const (
	Taken Verdict = iota
	Later
)

// Table holds a dialog for each client.
type Table struct {
	sockets  Sockets
	requests Requests
	pool     *buffer.Pool
	dialogs  []dialog // by client

	entries deadline.Entries
	idle    *deadline.Queue // asking nothing
	partial *deadline.Queue // in the middle of a request
	unread  *deadline.Queue // with answers that its socket does not take

	out  []byte // answers to the client whose requests are being taken, to be written together
	busy int    // clients in a state other than idle

	// Counters counts what happened, since start.
	Counters Counters
}

// Counters are totals since start.
type Counters struct {
	Clients  uint64               // clients that came
	Requests [codec.NumOps]uint64 // whole requests, by operation
	Dropped  [NumReasons]uint64   // clients that the Table ended, by Reason
}

// NewTable makes an empty table. idle is how long a client may stay without a request
// open (the man page's -idle), deadline.Never for ever. pool holds what clients have
// sent of requests that cannot be taken yet.
func NewTable(s Sockets, r Requests, pool *buffer.Pool, idle time.Duration) *Table {
	t := &Table{sockets: s, requests: r, pool: pool}
	t.idle = t.entries.NewQueue(idle)
	t.partial = t.entries.NewQueue(WholeTimeout)
	t.unread = t.entries.NewQueue(readLook)
	t.out = make([]byte, 0, BatchBytes+codec.MaxMessageSize)
	return t
}

// Busy is the number of clients that are in the middle of something: a request that
// is not whole, not answered, or an answer that is not read.
func (t *Table) Busy() int { return t.busy }

// Opened enters a client.
func (t *Table) Opened(c int, now time.Duration) {
	for len(t.dialogs) <= c {
		t.dialogs = append(t.dialogs, make([]dialog, c+1-len(t.dialogs))...)
	}
	t.dialogs[c] = dialog{state: idle}
	t.Counters.Clients++
	t.idle.Set(c, now)
}

// Buffer gives the memory for c's next bytes: none while c has a request open or
// leaves answers unread.
func (t *Table) Buffer(c int) []byte {
	d := &t.dialogs[c]
	switch {
	case !d.takes():
		return nil
	case d.held == nil:
		return t.requests.ReadInto()
	}
	return d.room(t.pool)
}

// Received takes bytes that were read into Buffer.
func (t *Table) Received(c int, b []byte, now time.Duration) {
	d := &t.dialogs[c]
	if d.held != nil {
		d.held = d.held[:len(d.held)+len(b)]
		b = d.held[d.taken:]
	}
	t.pump(c, b, now)
}

// Ended is told when c will send no more. With its last request answered, and half of
// one being no request, nothing is owed to it.
func (t *Table) Ended(c int, _ time.Duration) { t.close(c) }

// Failed is told when c's socket is broken.
func (t *Table) Failed(c int, err error, now time.Duration) { t.drop(c, SocketError, err, now) }

// Drained is told when c has read what it had left unread.
func (t *Table) Drained(c int, now time.Duration) {
	t.unblock(c, now)
	t.proceed(c, now)
}

// Answer sends the answer, in its wire form, to c's open request. wire lives until
// Answer returns. It must not be called from within Requests.Request: see Append.
func (t *Table) Answer(c int, wire []byte, now time.Duration) {
	t.enter(c, idle, now)
	t.write(c, wire, now)
	t.proceed(c, now)
}

// Batch is where answers to the request that is being taken may be appended; the
// result goes to Append. It has room for one message of the largest size.
func (t *Table) Batch() []byte { return t.out }

// Append answers the request that is being taken: batch is what Batch gave, with the
// answer appended. It may only be called from within Requests.Request.
func (t *Table) Append(c int, batch []byte, now time.Duration) {
	t.out = batch
	t.enter(c, idle, now)
}

// Retry asks Requests again about the request that it wanted later.
func (t *Table) Retry(c int, now time.Duration) {
	if t.dialogs[c].state == parked {
		t.enter(c, idle, now)
		t.proceed(c, now)
	}
}

// Deadline is when the next client has kept us waiting too long.
func (t *Table) Deadline() time.Duration {
	return min(t.idle.Deadline(), t.partial.Deadline(), t.unread.Deadline())
}

// expirePerCall bounds how long ending clients keeps the loop from the others.
const expirePerCall = 256

// Expire ends the clients that have kept us waiting too long; when they are many,
// Deadline stays in the past and the rest follow.
func (t *Table) Expire(now time.Duration) {
	budget := expirePerCall
	budget = t.expire(t.idle, IdleTimeout, budget, now)
	budget = t.expire(t.partial, PartialTimeout, budget, now)
	t.expireUnread(budget, now)
}

func (t *Table) expire(q *deadline.Queue, why Reason, budget int, now time.Duration) int {
	for ; budget > 0; budget-- {
		c, ok := q.Due(now)
		if !ok {
			break
		}
		t.drop(c, why, nil, now)
	}
	return budget
}

// expireUnread ends the clients that have not read enough. No event tells how much they read:
// it makes room for more only when it is much.
func (t *Table) expireUnread(budget int, now time.Duration) {
	for ; budget > 0; budget-- {
		c, ok := t.unread.Due(now)
		if !ok {
			break
		}
		if t.reads(c, now) {
			t.unread.Set(c, now)
		} else {
			t.drop(c, UnreadTimeout, nil, now)
		}
	}
}

// reads reports whether c may read on, and gives it its time anew when it has read enough.
func (t *Table) reads(c int, now time.Duration) bool {
	d := &t.dialogs[c]
	if left := int32(t.sockets.Unread(c)); left <= d.unread-PaceBytes {
		d.unread, d.since = left, now
	}
	return now < d.since+ReadTimeout
}
