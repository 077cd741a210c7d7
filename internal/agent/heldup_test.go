package agent

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"distcache/codec"
)

// TestO25AnswersThatAreHereAreReadFirst: a request whose time is up is not answered
// DISCONNECTED after a read that filled the buffer, as its answer may be behind. After one that
// did not, or when nothing was read, it is.
func TestO25AnswersThatAreHereAreReadFirst(t *testing.T) {
	r := newRig(t, testConfig())
	r.comeUp()
	r.come(1)
	r.ask(1, 7, "a")
	m := r.seenOne()
	r.now += testTimeout
	rest := r.fill()
	r.Expire(r.now)
	r.mustGetNothing(1)
	if got := r.Deadline(); got > r.now {
		t.Errorf("got the next deadline at %v, want it to be met still", got)
	}
	answer := codec.AppendMessage(nil, codec.Response, m.UID, m.Op, []byte("an answer"))
	r.reply(slices.Concat(rest, answer))
	r.Expire(r.now)
	r.mustGet(1, 7, "an answer")

	r.ask(1, 8, "b")
	r.now += testTimeout
	r.fill()
	r.Expire(r.now)
	r.mustGetNothing(1)
	r.Expire(r.now)
	r.mustGetBytes(1, codec.AppendStatus(nil, 8, codec.OpGet, codec.StatusDisconnected))
}

// TestF06FullReadsDoNotPutDeadlinesOff: when each read fills the buffer, a request is answered
// DISCONNECTED once as much has been read as can have come in its time.
func TestF06FullReadsDoNotPutDeadlinesOff(t *testing.T) {
	r := newRig(t, testConfig())
	r.comeUp()
	r.come(1)
	rest := r.fill()
	for range 2 {
		r.ask(1, 7, "a")
		r.now += testTimeout
		for read := 0; read < 9<<20; read += len(r.Link().Buffer()) {
			rest = r.fillAfter(rest)
			r.Expire(r.now)
		}
		r.mustGetBytes(1, codec.AppendStatus(nil, 7, codec.OpGet, codec.StatusDisconnected))
		rest = r.fillAfter(rest)
		r.Expire(r.now) // with nothing due
	}
}

// fill has as much come, of answers to nobody, as one read takes; it gives the rest of the
// last of them.
func (r *rig) fill() (rest []byte) { return r.fillAfter(nil) }

// fillAfter is fill after the rest of the fill before.
func (r *rig) fillAfter(before []byte) (rest []byte) {
	stray := codec.AppendMessage(nil, codec.Response, 1<<31, codec.OpGet, []byte(strings.Repeat("x", 32_000)))
	all := slices.Concat(before, bytes.Repeat(stray, len(r.Link().Buffer())/len(stray)+1))
	n := copy(r.Link().Buffer(), all)
	r.Link().Received(n, r.now)
	return all[n:]
}
