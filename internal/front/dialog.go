package front

import (
	"time"

	"distcache/codec"
	"distcache/engine"
	"distcache/engine/buffer"
)

// state is where a client stands with its requests.
type state uint8

const (
	absent  state = iota
	idle          // no request begun
	partial       // the beginning of a request has come
	open          // a request awaits its answer
	parked        // a request awaits Retry
)

// dialog is one client's. What it has sent of requests that are not taken yet is
// held[taken:]; a client that has sent none owns no buffer.
type dialog struct {
	state     state
	blocked   bool          // answers await their reader: nothing more is taken
	unread    int32         // bytes of them when their time began (anew), or at the last answer since
	since     time.Duration // when their time began (anew)
	assembler codec.Assembler
	held      []byte
	taken     int32
	paced     int32 // bytes of the partial request when its time began (anew)
}

// takes reports whether requests are taken from the client.
func (d *dialog) takes() bool {
	return (d.state == idle || d.state == partial) && !d.blocked
}

// busy reports whether something of the client's is under way.
func (d *dialog) busy() bool { return d.state > idle || d.blocked }

// room gives free memory behind what is held, or nil when the pool is exhausted.
func (d *dialog) room(pool *buffer.Pool) []byte {
	if d.taken > 0 {
		n := copy(d.held, d.held[d.taken:])
		d.held, d.taken = d.held[:n], 0
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

// keep holds rest, which is what held has not given yet or, with nothing held, bytes
// that were read elsewhere. It reports false when the pool is exhausted.
func (d *dialog) keep(rest []byte, pool *buffer.Pool) bool {
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

// pump takes the requests in rest, one after the other, until one stays open or the
// bytes run out, then writes the answers that were given on the way.
func (t *Table) pump(c int, rest []byte, now time.Duration) {
	d := &t.dialogs[c]
	var err error
	for d.takes() {
		var m codec.Message
		if m, err = d.assembler.Next(rest); err != nil {
			break
		}
		t.enter(c, open, now)
		if t.requests.Request(c, m, now) == Later {
			t.enter(c, parked, now)
			break
		}
		t.Counters.Requests[m.Op]++
		rest = rest[len(m.Wire):]
		if len(t.out) >= BatchBytes {
			t.flush(c, now)
		}
	}
	t.flush(c, now)
	t.settle(c, rest, err, now)
}

// settle ends a pump: what is left of the bytes is held or judged.
func (t *Table) settle(c int, rest []byte, err error, now time.Duration) {
	d := &t.dialogs[c]
	switch {
	case d.state == absent: // it left before its answers
	case err != nil && err != codec.ErrShort:
		t.drop(c, Corrupt, err, now)
	case !d.keep(rest, t.pool):
		t.drop(c, NoMemory, nil, now)
	case d.state == idle && d.held != nil && !d.blocked:
		t.enter(c, partial, now)
		d.paced = int32(len(rest))
	case d.state == partial && !d.blocked:
		t.pace(c, len(rest), now)
	}
}

// pace gives c, of whose request have bytes are there, its time anew when enough came.
func (t *Table) pace(c, have int, now time.Duration) {
	d := &t.dialogs[c]
	if int32(have) >= d.paced+PaceBytes {
		d.paced = int32(have)
		t.partial.Set(c, now)
	}
}

// proceed goes on with a client that may take more.
func (t *Table) proceed(c int, now time.Duration) {
	d := &t.dialogs[c]
	if d.takes() && d.held != nil {
		t.pump(c, d.held[d.taken:], now)
	}
	if d.takes() {
		t.sockets.Resume(c)
	}
}

// flush writes the answers given during a pump.
func (t *Table) flush(c int, now time.Duration) {
	if len(t.out) == 0 {
		return
	}
	answers := t.out
	t.out = t.out[:0]
	t.write(c, answers, now)
}

// write sends b. When the socket does not take all of it, nothing more is taken from
// the client until it has read on.
func (t *Table) write(c int, b []byte, now time.Duration) {
	switch t.send(c, b) {
	case engine.Held:
		t.block(c, now)
	case engine.Failed:
		t.close(c)
	case engine.NoMemory:
		t.drop(c, NoMemory, nil, now)
	}
}

// enter moves c to s. This, block and unblock are the only places where a dialog's
// state and deadline change.
func (t *Table) enter(c int, s state, now time.Duration) {
	d := &t.dialogs[c]
	was := d.busy()
	d.state = s
	t.count(was, d.busy())
	if !d.blocked {
		t.await(c, s, now)
	}
}

// block notes that c leaves answers unread; its time for that runs from the first.
func (t *Table) block(c int, now time.Duration) {
	d := &t.dialogs[c]
	d.unread = int32(t.sockets.Unread(c))
	if d.blocked {
		return
	}
	was := d.busy()
	d.blocked, d.since = true, now
	t.count(was, true)
	t.unread.Set(c, now)
}

// unblock notes that c has read what it had left.
func (t *Table) unblock(c int, now time.Duration) {
	d := &t.dialogs[c]
	d.blocked = false
	t.count(true, d.busy())
	t.await(c, d.state, now)
}

// await sets the deadline that goes with s.
func (t *Table) await(c int, s state, now time.Duration) {
	switch s {
	case idle:
		t.idle.Set(c, now)
	case partial:
		t.partial.Set(c, now)
	default:
		t.entries.Clear(c)
	}
}

func (t *Table) count(was, is bool) {
	if was {
		t.busy--
	}
	if is {
		t.busy++
	}
}
