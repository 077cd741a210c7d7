package front

import (
	"time"

	"distcache/engine/buffer"
)

// Answer sends the answer, in its wire form, to the open request a. wire lives until Answer
// returns. Answer reports false, and does nothing, when a's client has left.
func (f *Front) Answer(a Asker, wire []byte, now time.Duration) bool {
	c := int(a.Client)
	d := &f.clients[c]
	if a.Seq-d.seq >= d.open {
		return false
	}
	if f.foreign != nil {
		return f.answerForeign(a, wire, now)
	}
	if d.open == 1 && f.outFor != c && f.pumping != c {
		f.answered(d)
		f.write(c, wire, now)
		f.proceed(c, now)
		return true
	}
	return f.Append(a, append(f.Batch(a, now), wire...), now)
}

// Batch is where the answer to a may be appended; the result goes to Append. It has room for
// one message of the largest size.
func (f *Front) Batch(a Asker, now time.Duration) []byte {
	c := int(a.Client)
	switch {
	case f.outFor == c:
		return f.out
	case f.pumping == none:
		f.deliver(now)
	case f.outFor != none:
		// Its next requests must wait: they would be copied over those that are being taken.
		f.later = append(f.later, f.outFor)
		f.flush(now)
	}
	f.outFor = c
	return f.out
}

// Append answers a: batch is what Batch gave, with the answer appended. The answers of a
// client are written together, at the end of the turn at the latest. Append reports false,
// and does nothing, when a's client has left.
func (f *Front) Append(a Asker, batch []byte, now time.Duration) bool {
	c := int(a.Client)
	d := &f.clients[c]
	switch {
	case a.Seq-d.seq >= d.open:
		clear(batch[len(f.out):])
		return false
	case f.config.Ordered && a.Seq != d.seq:
		return f.holdBack(a, batch[len(f.out):], now)
	}
	f.out = batch
	f.answered(d)
	if d.rare != nil {
		f.appendEarly(d)
	}
	switch {
	case f.pumping == c:
	case f.pumping == none && (d.open == 0 || len(f.out) >= BatchBytes):
		f.deliver(now)
	default:
		f.sockets.EndTurn()
	}
	return true
}

// answered notes that the first open request has its answer.
func (f *Front) answered(d *client) {
	d.open--
	if f.config.Ordered {
		if get := uint64(1) << (d.seq % 64); d.gets&get != 0 {
			d.gets &^= get
			d.full = false
		}
		if f.foreign != nil {
			d.full = false // whatever it waited for
		}
		d.seq++
	}
	if d.open == 0 {
		d.stalled = false
	}
}

// holdBack keeps the answer to a until those before it are there, and wipes wire.
func (f *Front) holdBack(a Asker, wire []byte, now time.Duration) bool {
	d := &f.clients[a.Client]
	r := d.seldom()
	if len(wire) == 0 { // of a request that gets no answer
		r.early = append(r.early, early{seq: a.Seq})
	} else if kept := f.pool.Get(len(wire)); kept != nil {
		r.early = append(r.early, early{seq: a.Seq, wire: append(kept, wire...)})
	} else {
		f.drop(int(a.Client), NoMemory, nil, now)
	}
	clear(wire)
	return true
}

// appendEarly appends the held answers whose turn has come.
func (f *Front) appendEarly(d *client) {
	r := d.rare
	for i := 0; i < len(r.early); i++ {
		e := r.early[i]
		if e.seq != d.seq {
			continue
		}
		f.out = append(f.out, e.wire...)
		f.pool.Put(e.wire)
		r.early[i] = r.early[len(r.early)-1]
		r.early = r.early[:len(r.early)-1]
		f.answered(d)
		i = -1 // the next one may stand anywhere
	}
}

// deliver writes the gathered answers, then goes on with their client.
func (f *Front) deliver(now time.Duration) {
	c := f.outFor
	f.flush(now)
	if c != none {
		f.proceed(c, now)
	}
}

// TurnEnded sends the answers that were gathered, and goes on with clients that had to wait.
func (f *Front) TurnEnded(now time.Duration) {
	if f.outFor != none {
		f.deliver(now)
	}
	for len(f.later) > 0 {
		last := len(f.later) - 1
		c := f.later[last]
		f.later = f.later[:last]
		f.proceed(c, now)
	}
}

// flush writes the gathered answers and wipes them.
func (f *Front) flush(now time.Duration) {
	c, answers := f.outFor, f.out
	f.outFor, f.out = none, f.out[:0]
	if len(answers) > 0 {
		f.write(c, answers, now)
		clear(answers)
	}
}

// write sends b. When the socket does not take all of it, no more requests are taken from
// the client until it has read on.
func (f *Front) write(c int, b []byte, now time.Duration) {
	var held bool
	var err error
	if at := f.wire.Part(b); at > 0 {
		held, err = f.sockets.WriteParted(c, b, at)
	} else {
		held, err = f.sockets.Write(c, b)
	}
	switch {
	case err == buffer.ErrFull:
		f.drop(c, NoMemory, nil, now)
	case err != nil: // it has left
		f.close(c)
	case held:
		d := &f.clients[c]
		d.blocked = true
		d.seldom().owed = int32(f.sockets.Unread(c))
	}
}
