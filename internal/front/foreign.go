package front

import (
	"math/bits"
	"time"

	"distcache/codec"
)

const (
	// foreignRead is ReadBytes where there is a Translator.
	foreignRead = 16 << 10
	// foreignRoom is how much longer than the largest message an answer of a Translator may be.
	foreignRoom = 1 << 10
)

// askForeign is ask where there is a Translator.
func (f *Front) askForeign(c int, m *codec.Message, now time.Duration) bool {
	d := &f.clients[c]
	get := m.Wire != nil && m.Op == codec.OpGet
	if get && bits.OnesCount64(d.gets) == f.config.Gets {
		d.full = true
		return false
	}
	a := Asker{Front: f.config.Index, Client: int32(c), Seq: d.seq + d.open}
	switch f.foreign.Begin(a) {
	case Wait:
		d.full = true
		return false
	case Local:
		d.open++
		d.touched = true
		f.Append(a, f.foreign.Local(a, f.Batch(a, now)), now)
	case Ask:
		if !f.request(a, m, now) {
			f.foreign.Undo(a)
			d.parked = true
			return false
		}
	}
	if f.foreign.Done(c) && d.phase != absent { // it may have been dropped
		d.quit = true
	}
	return true
}

// request hands over what the Translator has made of a request.
func (f *Front) request(a Asker, m *codec.Message, now time.Duration) bool {
	d := &f.clients[a.Client]
	bit := uint64(1) << (a.Seq % 64)
	if m.Op == codec.OpGet {
		d.gets |= bit
	}
	d.open++
	d.touched = true
	f.Counters.Requests[m.Op]++
	if f.requests.Request(a, m, now) {
		return true
	}
	f.Counters.Requests[m.Op]--
	d.open--
	d.gets &^= bit
	return false
}

// answerForeign is Answer where there is a Translator.
func (f *Front) answerForeign(a Asker, wire []byte, now time.Duration) bool {
	switch f.foreign.Outcome(a, wire) {
	case Stale:
		return false
	case Again:
		remove, add := f.foreign.Replace(a)
		// One behind the other, so that they reach dc_server with nothing in between.
		f.requests.Request(a, &remove, now)
		clear(remove.Wire) // an ID is a secret
		if !f.requests.Request(a, &add, now) {
			var failed [codec.HeaderSize + 1]byte
			return f.answerForeign(a, codec.AppendStatus(failed[:0], 0, codec.OpAdd, codec.StatusDisconnected), now)
		}
	case Final:
		f.Append(a, f.foreign.Answer(a, f.Batch(a, now), wire), now)
	}
	return true
}
