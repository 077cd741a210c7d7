package front

import (
	"time"

	"distcache/engine/buffer"
	"distcache/engine/deadline"
)

// phase is what the daemon and a client wait for.
type phase uint8

const (
	absent  phase = iota
	idle          // nothing is under way
	partial       // the client is to send the rest of a request
	waiting       // the client waits for answers
	unread        // the client is to read its answers
)

// client is what a Front knows of one. What it has sent of requests that are not taken yet is
// held[taken:]; a client that has sent none owns no buffer.
type client struct {
	phase   phase
	blocked bool // answers wait for the client to read: no more requests are taken
	parked  bool // the first request in held waits for Retry
	stalled bool // the bytes in held are corrupt, and earlier requests are still open
	full    bool // the first request in held waits for answers to others, as a GET may have to
	begun   bool // the Wire has seen the beginning of the first request in held
	ended   bool // it sends no more
	quit    bool // it asks for its end: no more requests are taken
	paused  bool // it is not read from until Sockets.Resume
	touched bool // it asked or read since its timer was set

	// The open requests have the numbers seq to seq+open-1 where answers are ordered, else all
	// of them the number seq. So number n is open if n-seq < open.
	seq  uint32
	open uint32
	gets uint64 // which of them are GETs, by number modulo 64, where answers are ordered

	held  []byte
	taken int32
	paced int32 // bytes of the partial request when its timer started last
	rare  *rare // nil for most clients
}

// rare is what few clients need. It is apart so that a client is one cache line.
type rare struct {
	early []early       // answers that wait for those before them
	owed  int32         // bytes that the client had not read when its timer started last
	since time.Duration // when that was
}

// seldom gives d.rare, and makes it when it is used first.
func (d *client) seldom() *rare {
	if d.rare == nil {
		d.rare = new(rare)
	}
	return d.rare
}

// early is an answer that came before those of earlier requests.
type early struct {
	seq  uint32
	wire []byte // from the pool
}

// room gives free memory behind what is held, or nil when the pool is exhausted.
func (d *client) room(pool *buffer.Pool) []byte {
	if d.taken > 0 {
		d.held, d.taken = buffer.Cut(d.held, int(d.taken)), 0
	}
	if len(d.held) == cap(d.held) {
		bigger := pool.Grow(d.held, cap(d.held)+1)
		if bigger == nil {
			return nil
		}
		d.held = bigger
	}
	return d.held[len(d.held):cap(d.held)]
}

// keep holds rest, which is the end of held or, with nothing held, bytes that were read
// elsewhere. It reports false when the pool is exhausted.
func (d *client) keep(rest []byte, pool *buffer.Pool) bool {
	switch {
	case len(rest) == 0:
		pool.Put(d.held)
		d.held, d.taken = nil, 0
	case d.held != nil:
		d.taken = int32(len(d.held) - len(rest))
	default:
		d.held = pool.Get(len(rest))
		if d.held == nil {
			return false
		}
		d.held = append(d.held, rest...)
	}
	return true
}

// update puts c into the phase that its fields call for, and sets the timer that goes with
// it. A client that sends no more and is owed nothing is closed.
func (f *Front) update(c int, now time.Duration) {
	d := &f.clients[c]
	was := d.phase
	if was == absent {
		return
	}
	p := idle
	switch {
	case d.blocked:
		p = unread
	case d.open > 0 || d.parked:
		p = waiting
	case d.ended || d.quit:
		f.close(c)
		return
	case d.held != nil:
		p = partial
	}
	if was > idle {
		f.busy--
	}
	if p > idle {
		f.busy++
	}
	d.phase = p
	changed := p != was || d.touched
	d.touched = false
	size := int32(len(d.held)) - d.taken
	switch {
	case p == partial && (changed || size >= d.paced+PaceBytes):
		d.paced = size
		f.partial.Set(c, now)
	case !changed:
	case p == idle && f.config.Yields:
		f.kept.Set(c, now)
	case p == idle && f.config.Idle != deadline.Never:
		f.idle.Set(c, now)
	case p == idle, p == waiting:
		f.entries.Clear(c)
	case p == unread && f.config.Patient:
		f.entries.Clear(c)
	case p == unread:
		d.seldom().since = now
		f.unread.Set(c, now)
	}
}
