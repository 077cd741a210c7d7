package front

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
)

// TestEveryPrefix sends requests of the sizes that matter in two pieces, cut anywhere
// near a boundary: nothing is asked before the last byte, and once then (H03).
func TestEveryPrefix(t *testing.T) {
	for _, size := range []int{0, 1, 40, 2021, 2022, 2023, 2024, 2047, 2048, 2049, 4096, 5000} {
		payload := strings.Repeat("x", size)
		wire := get(payload)
		for cut := 1; cut < len(wire); cut++ {
			if near := cut % codec.FrameSize; near > 20 && near < codec.FrameSize-30 && cut < len(wire)-20 {
				continue
			}
			r := newRig(t)
			r.come(1)
			r.mustSend(1, wire[:cut])
			if len(r.asked) > 0 || len(r.writes) > 0 {
				t.Fatalf("%d bytes, cut at %d: something happened before the last byte", size, cut)
			}
			r.mustSend(1, wire[cut:])
			r.mustAsk(payload)
			r.mustWrite(answerTo(payload))
		}
	}
}

func TestPieces(t *testing.T) {
	long := strings.Repeat("long", 8000)
	all := slices.Concat(get("a"), get(""), get(long), get("b"), get(long), get("c"))
	for _, size := range []int{1, 13, 14, 15, 100, 4096, 33_000, 1 << 20} {
		r := newRig(t)
		r.come(1)
		for rest := all; len(rest) > 0; {
			n := min(size, len(rest), len(r.Buffer(1)))
			r.mustSend(1, rest[:n])
			rest = rest[n:]
		}
		r.mustAsk("a", "", long, "b", long, "c")
		want := slices.Concat(answerTo("a"), answerTo(""), answerTo(long), answerTo("b"), answerTo(long), answerTo("c"))
		if got := slices.Concat(r.writes...); !slices.Equal(got, want) {
			t.Errorf("in pieces of %d: got %d bytes of answers, want %d", size, len(got), len(want))
		}
		if r.pool.Lent() != 0 {
			t.Errorf("in pieces of %d: %d bytes are lent to a client that owes nothing", size, r.pool.Lent())
		}
	}
}

// TestAnswersOfOneReadAreOneWrite is pipelining.
func TestAnswersOfOneReadAreOneWrite(t *testing.T) {
	r := newRig(t)
	r.come(1)
	r.mustSend(1, slices.Concat(get("a"), get("b"), get("c")))
	r.mustWrite(slices.Concat(answerTo("a"), answerTo("b"), answerTo("c")))
}

// TestBatchIsBounded writes whenever BatchBytes are together, and never much more.
func TestBatchIsBounded(t *testing.T) {
	r := newRig(t)
	r.in = make([]byte, 128<<10)
	r.come(1)
	payload := strings.Repeat("x", 30_000)
	var all, want []byte
	for range 4 {
		all = append(all, get(payload)...)
		want = append(want, answerTo(payload)...)
	}
	r.mustSend(1, all)
	if len(r.writes) != 2 {
		t.Errorf("got %d writes for %d bytes of answers, want 2", len(r.writes), len(want))
	}
	for _, w := range r.writes {
		if len(w) > BatchBytes+codec.MaxMessageSize {
			t.Errorf("got a write of %d bytes, want at most %d", len(w), BatchBytes+codec.MaxMessageSize)
		}
	}
	if got := slices.Concat(r.writes...); !slices.Equal(got, want) {
		t.Error("the answers are not those to the requests")
	}
}

// TestOneRequestAtATime takes nothing while a request is open, and goes on by itself.
func TestOneRequestAtATime(t *testing.T) {
	r := newRig(t)
	r.mode = waits
	r.come(1)
	r.mustSend(1, slices.Concat(get("a"), get("b"), get("c")[:5]))
	r.mustAsk("a")
	if len(r.Buffer(1)) != 0 {
		t.Error("bytes are wanted while a request is open")
	}
	r.reply(1)
	r.mustWrite(answerTo("a"))
	r.mustAsk("b")
	if len(r.resumed) != 0 {
		t.Error("reading goes on while a request is open")
	}
	r.reply(1)
	r.mustWrite(answerTo("b"))
	if len(r.resumed) != 1 {
		t.Errorf("got %d resumes after the last answer, want 1", len(r.resumed))
	}
	r.mustSend(1, get("c")[5:])
	r.mustAsk("c")
	r.reply(1)
}

func TestCorrupt(t *testing.T) {
	tests := []struct {
		name  string
		bytes []byte
		asked []string
	}{
		{"at the first byte", []byte("G"), nil},
		{"in a header", append(get("x")[:10:10], 9), nil},
		{"behind a request", append(get("a"), "garbage"...), []string{"a"}},
		{"behind two", slices.Concat(get("a"), get("b"), []byte{1}), []string{"a", "b"}},
		{"an answer", answerTo("x"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.come(1)
			r.mustSend(1, tt.bytes)
			r.mustAsk(tt.asked...)
			if got := len(slices.Concat(r.writes...)); got != len(tt.asked)*15 {
				t.Errorf("got %d bytes of answers, want those to %d requests", got, len(tt.asked))
			}
			r.mustDrop(Corrupt)
			if r.Counters.Dropped[Corrupt] != 1 {
				t.Errorf("got %d counted, want 1", r.Counters.Dropped[Corrupt])
			}
		})
	}
}

// TestTLSClientIsNamed: the beginning of a TLS handshake has a reason of its own.
func TestTLSClientIsNamed(t *testing.T) {
	for text, want := range map[string]bool{"\x16\x03\x01\x07\xd6\x01": true, "\x16\x02": false, "\x17\x03\x03": false, "G": false} {
		if _, _, err := NewDistcache().Next(1, []byte(text), false); err == nil || (err == errTLS) != want {
			t.Errorf("%q: got %v, want errTLS: %v", text, err, want)
		}
	}
}

// TestCorruptBehindAnOpenRequest is noticed once that is answered.
func TestCorruptBehindAnOpenRequest(t *testing.T) {
	r := newRig(t)
	r.mode = waits
	r.come(1)
	r.mustSend(1, append(get("a"), "garbage"...))
	r.mustDrop()
	r.reply(1)
	r.mustWrite(answerTo("a"))
	r.mustDrop(Corrupt)
}

// TestUnreadAnswers takes nothing more from a client whose socket is full.
func TestUnreadAnswers(t *testing.T) {
	r := newRig(t)
	r.held = true
	r.come(1)
	r.mustSend(1, slices.Concat(get("a"), get("b")))
	r.mustAsk("a", "b") // their answers were one write, which was held
	if len(r.Buffer(1)) != 0 {
		t.Error("bytes are wanted from a client that does not read")
	}
	r.held = false
	r.Drained(1, r.now)
	if len(r.resumed) != 1 || len(r.Buffer(1)) == 0 {
		t.Error("reading does not go on after the client has read")
	}
}

// TestHeldInTheMiddleOfABatch keeps the requests behind for later.
func TestHeldInTheMiddleOfABatch(t *testing.T) {
	r := newRig(t)
	r.in = make([]byte, 128<<10)
	r.held = true
	r.come(1)
	payload := strings.Repeat("x", 30_000)
	r.mustSend(1, slices.Concat(get(payload), get(payload), get(payload), get("last")))
	r.mustAsk(payload, payload, payload)
	r.held = false
	r.Drained(1, r.now)
	r.mustAsk("last")
	if got := r.writes[len(r.writes)-1]; !slices.Equal(got, answerTo("last")) {
		t.Errorf("got %.60x written last, want the last answer", got)
	}
}

// TestOpenAndUnread is a client with a request open that does not read the answer to
// the one before: the next answer is given to its socket all the same.
func TestOpenAndUnread(t *testing.T) {
	r := newRig(t)
	r.mode = waits
	r.come(1)
	r.mustSend(1, slices.Concat(get("a"), get("b"), get("c")))
	r.held = true
	r.reply(1)
	r.mustAsk("a")
	r.held = false
	r.Drained(1, r.now)
	r.mustAsk("b")
	r.block(1) // as when an answer given during a pump is held while the next request is open
	r.held = true
	r.reply(1)
	r.mustAsk()
	r.held = false
	r.Drained(1, r.now)
	r.mustAsk("c")
	r.reply(1)
}

func TestFailedWrite(t *testing.T) {
	t.Run("of an answer given at once", func(t *testing.T) {
		r := newRig(t)
		r.fails = errTest
		r.come(1)
		r.mustSend(1, slices.Concat(get("a"), get("b")[:3]))
		if !slices.Equal(r.closed, []int{1}) || len(r.drops) != 0 {
			t.Errorf("got closed %v, dropped %v, want closed alone", r.closed, r.drops)
		}
	})
	t.Run("of an answer given later", func(t *testing.T) {
		r := newRig(t)
		r.mode = waits
		r.come(1)
		r.mustSend(1, slices.Concat(get("a"), get("b")))
		r.fails = errTest
		r.reply(1)
		r.mustAsk("a")
		if !slices.Equal(r.closed, []int{1}) || len(r.resumed) != 0 {
			t.Errorf("got closed %v, resumed %v, want closed alone", r.closed, r.resumed)
		}
	})
	t.Run("with the next request open", func(t *testing.T) {
		r := newRig(t)
		r.come(1)
		r.onWrite = func() { r.mode = waits }
		r.in = make([]byte, 128<<10)
		payload := strings.Repeat("x", 33_000-codec.HeaderSize*20)
		r.mustSend(1, slices.Concat(get(payload), get(payload), get("open")))
		r.mustAsk(payload, payload, "open")
		r.fails = errTest
		r.reply(1)
		if !slices.Equal(r.closed, []int{1}) {
			t.Errorf("got closed %v, want client 1", r.closed)
		}
	})
}

// TestParked asks again after Retry, and only then.
func TestParked(t *testing.T) {
	r := newRig(t)
	r.mode = parks
	r.come(1, 2)
	r.mustSend(1, slices.Concat(get("a"), get("b")))
	r.mustAsk("a")
	if len(r.Buffer(1)) != 0 || r.Counters.Requests[codec.OpGet] != 0 {
		t.Error("a parked client is read from, or its request counted")
	}
	r.Retry(2, r.now) // nothing of it is parked
	r.mustAsk()
	r.Retry(1, r.now)
	r.mustAsk("a")
	r.mode = answers
	r.Retry(1, r.now)
	r.mustAsk("a", "b")
	r.mustWrite(slices.Concat(answerTo("a"), answerTo("b")))
	if r.Counters.Requests[codec.OpGet] != 2 {
		t.Errorf("got %d requests counted, want 2", r.Counters.Requests[codec.OpGet])
	}
	r.mode = waits
	r.mustSend(1, get("c"))
	r.Retry(1, r.now) // it is open, not parked
	r.mustAsk("c")
	if len(r.Buffer(1)) != 0 {
		t.Error("Retry made an open request one that is answered")
	}
	r.reply(1)
}

func TestLeave(t *testing.T) {
	tests := []struct {
		name string
		mode mode
		send []byte
	}{
		{"idle", answers, nil},
		{"after an answer", answers, get("a")},
		{"in the middle of a request", answers, get("a")[:9]},
		{"with a request open", waits, get("a")},
		{"with a request open and more behind", waits, slices.Concat(get("a"), get("b"))},
		{"parked", parks, get("a")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.mode = tt.mode
			r.come(1)
			r.mustSend(1, tt.send)
			r.Failed(1, errTest, r.now)
			stale := r.asker
			r.writes = nil
			r.mustDrop(SocketError)
			if r.pool.Lent() != 0 || r.Busy() != 0 {
				t.Errorf("got %d bytes lent and %d busy, want none", r.pool.Lent(), r.Busy())
			}
			r.mode = answers
			r.come(1) // another, under the same number
			r.mustSend(1, get("new"))
			r.mustWrite(answerTo("new"))
			if tt.mode == waits && r.Answer(stale, answerTo("a"), r.now) {
				t.Error("the answer to a client that left went to another")
			}
			r.mustWrite()
		})
	}
}

// TestGatheredAnswersGoOnAfterAnotherClient: the client whose answers are gathered is asked for
// more at the end of the turn, also when another client came in between.
func TestGatheredAnswersGoOnAfterAnotherClient(t *testing.T) {
	r := newWindowRig(t, 2, true)
	r.mode = waits
	r.come(1, 2)
	r.mustSend(1, slices.Concat(get("a"), get("b"), get("c")))
	r.mustAsk("a", "b")
	r.reply(1) // gathered: another request of the client is open
	if r.turnEnds == 0 || len(r.writes) != 0 {
		t.Errorf("got %d requests for the end of the turn and %d writes, want some and none", r.turnEnds, len(r.writes))
	}
	r.mustSend(2, get("other"))
	r.mustAsk("other")
	r.TurnEnded(r.now)
	r.mustAsk("c")
	r.reply(1)
	r.reply(1)
	r.reply(2)
}

// TestEndedWithRequestsOpen gives a client that sends no more its answers, then closes it.
func TestEndedWithRequestsOpen(t *testing.T) {
	r := newWindowRig(t, 2, true)
	r.mode = waits
	r.come(1)
	r.mustSend(1, slices.Concat(get("a"), get("b")))
	r.Ended(1, r.now)
	if len(r.Buffer(1)) != 0 || len(r.closed) != 0 {
		t.Errorf("got closed %v, or bytes wanted, with requests open", r.closed)
	}
	r.reply(1)
	r.reply(1)
	r.TurnEnded(r.now)
	r.mustWrite(slices.Concat(answerTo("b"), answerTo("b")))
	if !slices.Equal(r.closed, []int{1}) || len(r.drops) != 0 {
		t.Errorf("got closed %v, dropped %v, want closed and no fault", r.closed, r.drops)
	}
}

// TestEndedBeforeReadingItsAnswers closes a client once it has read.
func TestEndedBeforeReadingItsAnswers(t *testing.T) {
	r := newRig(t)
	r.held = true
	r.come(1)
	r.mustSend(1, slices.Concat(get("a"), get("b")))
	r.Ended(1, r.now)
	if len(r.closed) != 0 {
		t.Error("closed with answers unread")
	}
	r.Drained(1, r.now)
	if !slices.Equal(r.closed, []int{1}) || len(r.resumed) != 0 {
		t.Errorf("got closed %v, resumed %v, want closed alone", r.closed, r.resumed)
	}
}

func TestEnded(t *testing.T) {
	r := newRig(t)
	r.come(1)
	r.mustSend(1, get("a")[:9])
	r.Ended(1, r.now)
	if !slices.Equal(r.closed, []int{1}) || len(r.drops) != 0 {
		t.Errorf("got closed %v, dropped %v, want closed and no fault", r.closed, r.drops)
	}
}

// TestFailedFromWithinResume is a socket that cannot be watched any more.
func TestFailedFromWithinResume(t *testing.T) {
	r := newRig(t)
	r.mode = waits
	r.come(1)
	r.mustSend(1, get("a"))
	if len(r.Buffer(1)) != 0 {
		t.Error("bytes are wanted while a request is open")
	}
	r.resume = func(c int) { r.Failed(c, errTest, r.now) }
	r.reply(1)
	r.mustWrite(answerTo("a"))
	r.mustDrop(SocketError)
}

func TestBusy(t *testing.T) {
	r := newRig(t)
	steps := []struct {
		name string
		act  func()
		want int
	}{
		{"idle clients", func() { r.come(1, 2, 3) }, 0},
		{"half a request", func() { r.mustSend(1, get("a")[:4]) }, 1},
		{"a request open", func() { r.mode = waits; r.mustSend(2, get("b")) }, 2},
		{"answered", func() { r.reply(2) }, 1},
		{"not read", func() { r.mode = answers; r.held = true; r.mustSend(3, get("c")) }, 2},
		{"not read, the rest of a request behind", func() { r.mustSend(1, get("a")[4:]) }, 2},
		{"one has read", func() { r.held = false; r.Drained(3, r.now) }, 1},
		{"the other too", func() { r.Drained(1, r.now) }, 0},
		{"parked", func() { r.mode = parks; r.mustSend(1, get("d")) }, 1},
		{"the last has left", func() { r.Failed(1, errTest, r.now) }, 0},
	}
	for _, s := range steps {
		s.act()
		if got := r.Busy(); got != s.want {
			t.Errorf("%s: got %d busy, want %d", s.name, got, s.want)
		}
	}
}

// TestMemoryIsUsedUp ends the client that has no room for the beginning of its request,
// and only that one.
func TestMemoryIsUsedUp(t *testing.T) {
	r := newRigWith(t, idleTime, 8<<10)
	r.come(1, 2, 3)
	r.mustSend(1, get("a")[:5])
	r.mustSend(2, get("b")[:5])
	r.mustSend(3, get("c")[:5])
	r.mustDrop(NoMemory)
	r.mustSend(1, get("a")[5:])
	r.mustSend(2, get("b")[5:])
	r.mustAsk("a", "b")
}

// TestMemoryForAnswersIsUsedUp ends the client whose answer cannot be held, and says why.
func TestMemoryForAnswersIsUsedUp(t *testing.T) {
	for _, row := range []struct {
		name string
		mode mode
	}{{"answered at once", answers}, {"answered later", waits}} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t)
			r.mode = row.mode
			r.come(1)
			r.fails = buffer.ErrFull
			r.mustSend(1, slices.Concat(get("a"), get("b")[:3]))
			if row.mode == waits {
				r.reply(1)
			}
			r.mustDrop(NoMemory)
			if got := r.Counters.Dropped[NoMemory]; got != 1 {
				t.Errorf("got %d counted, want 1", got)
			}
		})
	}
}

// TestMemoryForMoreIsUsedUp stops reading from a client whose request does not fit; its time
// for it runs out.
func TestMemoryForMoreIsUsedUp(t *testing.T) {
	r := newRigWith(t, deadline.Never, 8<<10)
	r.come(1)
	long := get(strings.Repeat("x", 10_000))
	if got := r.send(1, long, 1000); got != 4<<10 {
		t.Errorf("got %d bytes taken, want the 4096 that there is memory for", got)
	}
	r.at(WholeTimeout)
	r.mustDrop(PartialTimeout)
}

func TestCounters(t *testing.T) {
	r := newRig(t)
	for c := range 3 {
		r.come(c)
		for op := range codec.Op(codec.NumOps) {
			for range int(op) + 1 {
				r.mustSend(c, codec.AppendMessage(nil, codec.Request, 1, op, []byte("12345678")))
			}
		}
	}
	if want := [codec.NumOps]uint64{3, 6, 9, 12}; r.Counters.Requests != want || r.Counters.Clients != 3 {
		t.Errorf("got %d clients and the requests %v, want 3 and %v", r.Counters.Clients, r.Counters.Requests, want)
	}
}

func TestReasonNames(t *testing.T) {
	names := map[string]bool{}
	for r := range NumReasons {
		names[r.String()] = true
	}
	if len(names) != int(NumReasons) || names["unknown"] {
		t.Errorf("got the names %v, want %d different ones", names, NumReasons)
	}
	if got := fmt.Sprint(NumReasons); got != "unknown" {
		t.Errorf("got %q for no reason, want unknown", got)
	}
}

// TestAnswersAreWiped: answers that are not written from the buffer leave it all the same.
func TestAnswersAreWiped(t *testing.T) {
	first, second := Asker{Client: 1, Seq: 1}, Asker{Client: 1, Seq: 2}
	for _, row := range []struct {
		name    string
		ordered bool
		answer  func(r *rig)
	}{
		{"to a client that has left", true, func(r *rig) {
			r.Failed(1, errTest, r.now)
			r.Append(first, append(r.Batch(first, r.now), answerTo("secret")...), r.now)
		}},
		{"that comes early", true, func(r *rig) {
			r.Append(second, append(r.Batch(second, r.now), answerTo("secret")...), r.now)
		}},
		{"that comes early, with no memory to hold it", true, func(r *rig) {
			for r.pool.Get(1) != nil {
			}
			r.Append(second, append(r.Batch(second, r.now), answerTo("secret")...), r.now)
			r.pool = buffer.NewPool(0) // what was lent here is no fault
		}},
		{"that was gathered for a client that leaves", false, func(r *rig) {
			r.Append(first, append(r.Batch(first, r.now), answerTo("secret")...), r.now)
			r.Failed(1, errTest, r.now)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newWindowRig(t, 4, row.ordered)
			r.mode = waits
			r.come(1)
			r.mustSend(1, slices.Concat(get("a"), get("b")))
			first.Seq = r.clients[1].seq
			second.Seq = first.Seq + 1
			row.answer(r)
			r.mustBeWiped()
		})
	}
}
