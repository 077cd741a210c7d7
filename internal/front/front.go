package front

import (
	"math/bits"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
)

const (
	// WholeTimeout is how long a request may take from its first byte to its last, and how
	// long after each PaceBytes of one that is larger. It starts once the client's earlier
	// requests are answered.
	WholeTimeout = 2 * time.Second
	// PaceBytes is how much of a large request must arrive in WholeTimeout, and how much of its
	// answers a client must read in ReadTimeout. On a slow link the largest takes longer than
	// that: 4 s at 64 kbit/s.
	PaceBytes = 4 << 10
	// ReadTimeout is how long a client may leave answers unread once its socket is full, and
	// how long after each PaceBytes that it has read. The check may come a tenth later.
	ReadTimeout = 5 * time.Second
	// readCheck is the time between two checks of how much a client has read.
	readCheck = ReadTimeout / 10
	// BatchBytes is how many bytes of answers are gathered before they are written.
	BatchBytes = 64 << 10
)

// none stands for no client.
const none = -1

// Front serves the clients of one listening socket.
type Front struct {
	config   Config
	wire     Wire
	foreign  Translator // Config.Foreign
	sockets  Sockets
	requests Requests
	pool     *buffer.Pool
	clients  []client

	entries deadline.Entries
	idle    *deadline.Queue // asking nothing
	kept    *deadline.Queue // the same where the Front Yields, once they have been answered
	partial *deadline.Queue // in the middle of a request
	unread  *deadline.Queue // with answers that the socket does not take

	out     []byte // answers to outFor, to be written together
	outFor  int    // a client, or none
	pumping int    // the client whose requests are being taken, or none
	later   []int  // clients to go on with at the end of the turn
	busy    int    // clients in a phase after idle
	found   []Incoming
	in      []byte // without Config.In: what is read from a client that has nothing held

	// Counters counts what happened, since start. Brief and Answers are counted by the agent or the server: the Front does not
	// look into answers.
	Counters Counters
}

// New makes a Front without clients. pool holds what clients have sent of requests that
// cannot be taken yet, and answers that must wait for others.
func New(config Config, w Wire, s Sockets, r Requests, pool *buffer.Pool) *Front {
	f := &Front{config: config, wire: w, sockets: s, requests: r, pool: pool, outFor: none, pumping: none}
	f.idle = f.entries.NewQueue(config.Idle)
	f.kept = f.entries.NewQueue(config.Idle)
	f.partial = f.entries.NewQueue(WholeTimeout)
	f.unread = f.entries.NewQueue(readCheck)
	f.out = make([]byte, 0, BatchBytes+codec.MaxMessageSize+foreignRoom)
	f.found = make([]Incoming, groupSize)
	size := ReadBytes
	if config.Foreign != nil {
		f.foreign, f.found, size = config.Foreign, f.found[:1], foreignRead
	}
	if config.In == nil {
		f.in = make([]byte, size)
	}
	return f
}

// Busy is the number of clients with something under way: a request that is not whole or
// not answered, or an answer that is not read.
func (f *Front) Busy() int { return f.busy }

// Opened enters a client.
func (f *Front) Opened(c int, now time.Duration) {
	for len(f.clients) <= c {
		f.clients = append(f.clients, make([]client, c+1-len(f.clients))...)
	}
	f.clients[c].phase = idle
	f.Counters.Clients++
	if f.foreign != nil {
		f.foreign.Opened(c)
	}
	if f.config.Idle != deadline.Never {
		f.idle.Set(c, now)
	}
}

// Buffer gives the memory for c's next bytes: none while no more is read from c.
func (f *Front) Buffer(c int) []byte {
	d := &f.clients[c]
	switch {
	case !f.takes(d) || d.ended:
	case d.held == nil && f.config.In == nil:
		return f.in
	case d.held == nil:
		return f.config.In.Tail()
	default:
		if room := d.room(f.pool); room != nil {
			return room
		}
	}
	d.paused = true
	return nil
}

// Received takes bytes that were read into Buffer.
func (f *Front) Received(c int, b []byte, now time.Duration) {
	d := &f.clients[c]
	if d.held != nil {
		d.held = d.held[:len(d.held)+len(b)]
		f.pump(c, d.held[d.taken:], now)
		return
	}
	f.pump(c, b, now)
	if f.config.In != nil {
		f.config.In.Consumed(len(b))
	} else {
		clear(b)
	}
}

// Ended tells that c will send no more. It is closed once its requests are answered; half a
// request is none.
func (f *Front) Ended(c int, now time.Duration) {
	f.clients[c].ended = true
	f.update(c, now)
}

// Failed tells that c's socket is broken.
func (f *Front) Failed(c int, err error, now time.Duration) { f.drop(c, SocketError, err, now) }

// Drained tells that c's socket has taken all that was held for it.
func (f *Front) Drained(c int, now time.Duration) {
	d := &f.clients[c]
	d.blocked, d.touched = false, true
	f.proceed(c, now)
}

// Retry takes c's requests again after Requests.Request returned false. For a client that
// does not wait for it, it does nothing.
func (f *Front) Retry(c int, now time.Duration) {
	if d := &f.clients[c]; d.parked {
		d.parked = false
		f.proceed(c, now)
	}
}

// takes reports whether requests are taken from the client.
func (f *Front) takes(d *client) bool {
	return d.phase != absent && !d.blocked && !d.parked && !d.stalled && !d.full && !d.quit && int(d.open) < f.config.Window
}

// pump takes the requests in rest until no more may be open or the bytes run out, then
// writes the answers that were given on the way and keeps what is left.
func (f *Front) pump(c int, rest []byte, now time.Duration) {
	d := &f.clients[c]
	f.pumping = c
	var err error
	for err == nil && len(rest) > 0 && f.takes(d) {
		var found int
		found, err = f.find(c, rest)
		for i := range f.found[:found] {
			if !f.takes(d) || !f.ask(c, &f.found[i].Message, now) {
				err, d.begun = nil, false // what follows is looked at again
				break
			}
			rest = rest[f.found[i].size:]
			if f.outFor == c && len(f.out) >= BatchBytes {
				f.flush(now)
			}
		}
	}
	f.pumping = none
	if f.outFor == c {
		f.flush(now)
	}
	if len(rest) == 0 && d.held == nil {
		f.update(c, now)
	} else {
		f.keep(c, rest, err, now)
	}
}

// find looks for the next requests in rest, and announces them. It returns how many there
// are in f.found. err is why the search stopped; nil: f.found is full, or rest is used up.
func (f *Front) find(c int, rest []byte) (n int, err error) {
	d := &f.clients[c]
	for n < len(f.found) && len(rest) > 0 {
		next := &f.found[n]
		next.Message, next.size, err = f.wire.Next(c, rest, d.begun)
		if d.begun = err == codec.ErrShort; err != nil {
			break
		}
		rest = rest[next.size:]
		n++
	}
	if n > 1 {
		f.requests.Arriving(f.found[:n])
	}
	return n, err
}

// ask hands over one request. It reports false when the request must wait: for Retry, or for
// answers to earlier GETs.
func (f *Front) ask(c int, m *codec.Message, now time.Duration) bool {
	if f.foreign != nil {
		taken := f.askForeign(c, m, now)
		f.foreign.Wipe()
		return taken
	}
	d := &f.clients[c]
	a := Asker{Front: f.config.Index, Client: int32(c), Seq: d.seq}
	if f.config.Ordered {
		a.Seq += d.open
		if m.Op == codec.OpGet {
			if bits.OnesCount64(d.gets) == f.config.Gets {
				d.full = true
				return false
			}
			d.gets |= 1 << (a.Seq % 64)
		}
	}
	d.touched = true
	d.open++
	f.Counters.Requests[m.Op]++
	if f.requests.Request(a, m, now) {
		return true
	}
	f.Counters.Requests[m.Op]--
	d.open--
	d.gets &^= 1 << (a.Seq % 64)
	d.parked = true
	return false
}

// keep holds what a pump left of the bytes. After corrupt bytes the client is closed once
// its earlier requests are answered.
func (f *Front) keep(c int, rest []byte, err error, now time.Duration) {
	d := &f.clients[c]
	corrupt := err != nil && err != codec.ErrShort
	switch {
	case d.phase == absent: // it left before its answers
		return
	case corrupt && d.open == 0:
		f.Counters.Corrupt[codec.FieldIndex(err)]++
		f.drop(c, Corrupt, err, now)
		return
	case !d.keep(rest, f.pool):
		f.drop(c, NoMemory, nil, now)
		return
	}
	d.stalled = corrupt
	f.update(c, now)
}

// proceed goes on with a client that may ask more.
func (f *Front) proceed(c int, now time.Duration) {
	d := &f.clients[c]
	if f.takes(d) && d.held != nil {
		f.pump(c, d.held[d.taken:], now)
	} else {
		f.update(c, now)
	}
	if d.paused && f.takes(d) && !d.ended {
		d.paused = false
		f.sockets.Resume(c)
	}
}
