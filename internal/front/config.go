package front

import (
	"time"

	"distcache/codec"
)

// Sockets is what a Front does to clients.
type Sockets interface {
	// Write sends b, which lives until Write returns. held tells that the client must read
	// before the rest is sent; Front.Drained follows. The error is buffer.ErrFull when there
	// is no memory for the rest, else that of the socket.
	Write(c int, b []byte) (held bool, err error)
	// WriteParted is Write to a client that must not find the first at bytes of b and the
	// rest in one read.
	WriteParted(c int, b []byte, at int) (held bool, err error)
	// Unread is how many bytes that were written to the client it has not read yet, as far as
	// can be known.
	Unread(c int) int
	// Close ends the client. Nothing is reported of it after that.
	Close(c int)
	// Resume offers the client's bytes again after Buffer returned none. It may call
	// Front.Failed.
	Resume(c int)
	// EndTurn asks for Front.TurnEnded before the loop sleeps.
	EndTurn()
}

// Requests is what a Front does with whole requests.
type Requests interface {
	// Arriving shows several requests before they come through Request.
	Arriving(all []Incoming)
	// Request takes one whole, valid request, a view that lives until it returns. Its answer
	// comes through Front.Append or Front.Answer, once, from within or later. false means
	// that the request must come again after Front.Retry.
	Request(a Asker, m *codec.Message, now time.Duration) bool
	// Dropped tells that the Front closed a client, and why.
	Dropped(c int, why Reason, err error, now time.Duration)
}

// Memory is where a Front reads what clients send, in place of memory of its own.
type Memory interface {
	// Tail gives the memory for the next bytes of a client that has none held: at most
	// buffer.Largest bytes, left alone until the requests in it are through Request.
	Tail() []byte
	// Consumed tells that the n bytes that were read into the last Tail are dealt with. What is
	// not in use for another reason is to be wiped: sessions are secrets.
	Consumed(n int)
}

// ReadBytes is how many bytes of a client a Front reads at a time into memory of its own.
const ReadBytes = 64 << 10

// Incoming is a request that a client has sent and the Front has not handed over yet.
type Incoming struct {
	Message codec.Message
	size    int // bytes that it takes of the client's
}

// groupSize is how many requests of a client are looked at together.
const groupSize = 32

// Asker names an open request. A stale Asker, of a client that has left, names nothing, even
// when its number has been given to another client.
type Asker struct {
	Front  uint8
	Client int32
	Seq    uint32
}

// Config sets what a Front does beside what its protocol says. Answers to GETs are large, and
// are held for a client that does not read: Gets bounds how much that can be.
type Config struct {
	Index   uint8         // goes into each Asker
	Window  int           // requests that a client may have open; at most 64 where Ordered
	Ordered bool          // answers go out in the order of the requests
	Gets    int           // where Ordered, how many of those requests may be GETs
	Idle    time.Duration // how long a client may stay without a request; deadline.Never: for ever
	Patient bool          // a client may leave answers unread for ever; it gets no more of them until it reads
	In      Memory        // where clients are read into; nil: memory of the Front's own
	Foreign Translator    // the Wire again, where its protocol is not distcache's; else nil
	Yields  bool          // a client that was answered and is idle may be closed for another one: see MakeRoom
}

// Counters are totals since start.
type Counters struct {
	Clients  uint64                  // clients that came
	Requests [codec.NumOps]uint64    // whole requests, by operation
	Dropped  [NumReasons]uint64      // clients that the Front closed, by Reason
	Corrupt  [codec.NumFields]uint64 // of those with Corrupt, by codec.FieldIndex
	Brief    uint64                  // ADDs that live less than BriefLife, after -minexpiry
	// Answers counts what clients were answered, by operation and Status.Index.
	Answers [codec.NumOps][codec.NumStatuses]uint64
}

// BriefLife is the life of a session below which it is of no use: the client comes back too late.
const BriefLife = time.Second

// Added counts an ADD of a session that lives for so long.
func (c *Counters) Added(life time.Duration) {
	if life < BriefLife {
		c.Brief++
	}
}
