package upstream

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

const ms = time.Millisecond

func TestAnswersGoToWhomTheyBelong(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 10, 7, "a", 0)
	mustSubmit(t, m, 11, 7, "b", 0)
	mustSubmit(t, m, 12, 7, "c", 0)
	asked := seen(t, m)
	if len(asked) != 3 || asked[0].UID == asked[1].UID || asked[1].UID == asked[2].UID || asked[0].UID == asked[2].UID {
		t.Fatalf("got %v, want 3 requests under 3 uids", asked)
	}
	for _, i := range []int{2, 0, 1} {
		mustDeliver(t, m, reply(asked[i].UID, codec.OpGet, "to "+string(asked[i].Payload(nil))), ms)
	}
	r.mustHave(t,
		answer{12, 7, codec.OpGet, "to c"}, answer{10, 7, codec.OpGet, "to a"}, answer{11, 7, codec.OpGet, "to b"})
	mustBeEmpty(t, m)
}

func TestManyFramesKeepTogether(t *testing.T) {
	m, r := newMux()
	long := strings.Repeat("long ", 3000)
	mustSubmit(t, m, 1, 5, long, 0)
	asked := seen(t, m)
	if len(asked) != 1 || string(asked[0].Payload(nil)) != long {
		t.Fatalf("got %d requests of other bytes, want the one of 8 frames", len(asked))
	}
	mustDeliver(t, m, reply(asked[0].UID, codec.OpGet, long), ms)
	r.mustHave(t, answer{1, 5, codec.OpGet, long})
}

// TestRequestAtTheTailIsNotMoved is the hot path: only the uid changes, in place.
func TestRequestAtTheTailIsNotMoved(t *testing.T) {
	m, _ := newMux()
	wire := codec.AppendMessage(m.batch.tail(tailRoom)[:0], codec.Request, 0xffffffff, codec.OpGet, []byte("id"))
	if err := submit(m, Owner{Client: int32(1)}, parse(wire, codec.Request), 0); err != nil {
		t.Fatal(err)
	}
	if &m.Unsent()[0] != &wire[0] {
		t.Error("the request was copied")
	}
	if got := seen(t, m)[0].UID; got == 0xffffffff {
		t.Error("the client's own uid went upstream")
	}
}

func TestTimeout(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 1, 7, "slow", 5*ms)
	asked := seen(t, m)
	if got := m.Deadline(); got != 205*ms {
		t.Fatalf("got a deadline at %v, want 205ms", got)
	}
	m.Expire(205*ms - 1)
	r.mustHave(t)
	m.Expire(205 * ms)
	r.mustHave(t, answer{1, 7, codec.OpGet, disconnected})
	mustDeliver(t, m, reply(asked[0].UID, codec.OpGet, "late"), 206*ms)
	r.mustHave(t)
	mustBeEmpty(t, m)
	if c := m.Counters; c.TimedOut != 1 || c.Late != 1 || c.Answered != 0 {
		t.Errorf("got %+v, want 1 timed out and 1 late", c)
	}
}

func TestNoTimeout(t *testing.T) {
	config := testMuxConfig()
	config.Timeout = deadline.Never
	r := &recorder{}
	m := NewMux(config, r)
	mustSubmit(t, m, 1, 7, "patient", 0)
	m.Expire(1000 * time.Hour)
	r.mustHave(t)
	m.Lost(1000 * time.Hour)
	r.mustHave(t, answer{1, 7, codec.OpGet, disconnected})
	mustBeEmpty(t, m)
}

func TestLostAnswersEverything(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 1, 7, "late", 0)
	m.Expire(200 * ms)
	r.take()
	mustSubmit(t, m, 2, 8, "waiting", 210*ms)
	mustSubmit(t, m, 3, 9, "left", 210*ms)
	r.leave(3)
	submitProbe(m, request(1, codec.OpHave, "ours"), 210*ms)
	m.Lost(220 * ms)
	r.mustHave(t, answer{2, 8, codec.OpGet, disconnected})
	mustBeEmpty(t, m)
	if len(m.Unsent()) != 0 {
		t.Error("requests of the lost connection are still to be sent")
	}
}

func TestAnswerForAClientThatLeftIsSwallowed(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 1, 7, "left", 0)
	r.leave(1)
	mustDeliver(t, m, reply(seen(t, m)[0].UID, codec.OpGet, "too late"), ms)
	r.mustHave(t)
	if m.Counters.Swallowed != 1 {
		t.Errorf("got %d swallowed, want 1", m.Counters.Swallowed)
	}
	mustSubmit(t, m, 1, 7, "left", 2*ms)
	m.Expire(time.Second)
	r.mustHave(t)
	if m.Counters.TimedOut != 0 {
		t.Errorf("got %d timed out of those that somebody waits for, want 0", m.Counters.TimedOut)
	}
}

func TestAnswersToNobodyAreDropped(t *testing.T) {
	tests := []struct {
		name string
		uid  func(asked uint32) uint32
	}{
		{"the second to one request", func(asked uint32) uint32 { return asked }},
		{"a slot never used", func(uint32) uint32 { return 3 }},
		{"a slot that there is not", func(uint32) uint32 { return 40_000 }},
		{"another generation", func(asked uint32) uint32 { return asked + 1<<uidSlotBits }},
		{"the client's own uid", func(uint32) uint32 { return 0xdeadbeef }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, r := newMux()
			mustSubmit(t, m, 1, 0xdeadbeef, "x", 0)
			asked := seen(t, m)[0].UID
			mustDeliver(t, m, reply(asked, codec.OpGet, "first"), ms)
			r.take()
			mustDeliver(t, m, reply(tt.uid(asked), codec.OpGet, "stray"), ms)
			r.mustHave(t)
			if m.Counters.Unsolicited != 1 {
				t.Errorf("got %d unsolicited, want 1", m.Counters.Unsolicited)
			}
		})
	}
}

// TestSecondAnswerAfterTheSlotWasReused is the answer that must not cross over.
func TestSecondAnswerAfterTheSlotWasReused(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 1, 7, "first", 0)
	first := seen(t, m)[0].UID
	mustDeliver(t, m, reply(first, codec.OpGet, "for 1"), ms)
	mustSubmit(t, m, 2, 7, "second", 2*ms)
	second := seen(t, m)[0].UID
	if first&(MaxInFlight-1) != second&(MaxInFlight-1) {
		t.Fatalf("got the uids %#x and %#x, want the same slot", first, second)
	}
	r.take()
	mustDeliver(t, m, reply(first, codec.OpGet, "for 1 again"), 3*ms)
	r.mustHave(t)
	mustDeliver(t, m, reply(second, codec.OpGet, "for 2"), 3*ms)
	r.mustHave(t, answer{2, 7, codec.OpGet, "for 2"})
}

// TestLateSlotIsNotUsedAgain holds a slot whose request timed out until the answer, the
// quarantine's end, or need.
func TestLateSlotIsNotUsedAgain(t *testing.T) {
	m, _ := newMux()
	mustSubmit(t, m, 1, 7, "x", 0)
	slow := seen(t, m)[0].UID
	m.Expire(200 * ms)
	for i := range 3 {
		mustSubmit(t, m, 2+i, 7, "y", 201*ms)
	}
	for _, asked := range seen(t, m) {
		if asked.UID&(MaxInFlight-1) == slow&(MaxInFlight-1) {
			t.Errorf("uid %#x reuses the slot of %#x, which is still owed", asked.UID, slow)
		}
	}
	mustSubmit(t, m, 9, 7, "needed", 202*ms)
	needed := seen(t, m)[0].UID
	if needed&(MaxInFlight-1) != slow&(MaxInFlight-1) || needed == slow {
		t.Errorf("got uid %#x, want the slot of %#x in another generation", needed, slow)
	}
}

func TestQuarantineEnds(t *testing.T) {
	m, _ := newMux()
	mustSubmit(t, m, 1, 7, "x", 0)
	m.Expire(200 * ms)
	if got, want := m.Deadline(), 200*ms+quarantine; got != want {
		t.Fatalf("got a deadline at %v, want %v", got, want)
	}
	m.Expire(200*ms + quarantine - 1)
	if m.Unanswered() != 1 {
		t.Error("the slot is free before its quarantine is over")
	}
	m.Expire(200*ms + quarantine)
	mustBeEmpty(t, m)
}

func TestWrongOperationCostsTheConnection(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 1, 7, "x", 0)
	err := m.Deliver(reply(seen(t, m)[0].UID, codec.OpHave, "\x00"), ms)
	if !errors.Is(err, ErrWrongOperation) {
		t.Errorf("got %v, want ErrWrongOperation", err)
	}
	r.mustHave(t)
	m.Lost(ms)
	r.mustHave(t, answer{1, 7, codec.OpGet, disconnected})
}

func TestFloodOfUnsolicitedAnswers(t *testing.T) {
	m, _ := newMux()
	stray := func() error { return m.Deliver(reply(3, codec.OpGet, "stray"), ms) }
	for i := range unsolicitedLimit {
		if err := stray(); err != nil {
			t.Fatalf("got %v at stray answer %d, want it dropped", err, i+1)
		}
	}
	mustSubmit(t, m, 1, 7, "x", ms)
	mustDeliver(t, m, reply(seen(t, m)[0].UID, codec.OpGet, "solicited"), ms)
	for range unsolicitedLimit {
		mustDeliver(t, m, reply(3, codec.OpGet, "stray"), ms)
	}
	if err := stray(); !errors.Is(err, ErrUnsolicited) {
		t.Fatalf("got %v at the last stray answer, want ErrUnsolicited", err)
	}
	m.Lost(2 * ms)
	if err := stray(); err != nil {
		t.Errorf("got %v at the first stray answer of the next connection, want it dropped", err)
	}
}

func TestFull(t *testing.T) {
	m, r := newMux()
	for i := range 4 {
		mustSubmit(t, m, i, 7, "x", 0)
	}
	if err := submit(m, Owner{Client: int32(4)}, request(7, codec.OpGet, "one too many"), 0); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	if got := len(seen(t, m)); got != 4 {
		t.Errorf("got %d requests sent, want 4", got)
	}
	m.Lost(0)
	if got := len(r.take()); got != 4 || m.Counters.Full != 1 {
		t.Errorf("got %d answers and %d refused, want 4 and 1", got, m.Counters.Full)
	}
}

func TestFullBatch(t *testing.T) {
	config := testMuxConfig()
	config.MaxBatch = 100
	m := NewMux(config, &recorder{})
	wire := 100 - codec.HeaderSize
	mustSubmit(t, m, 1, 7, strings.Repeat("x", wire), 0)
	if err := submit(m, Owner{Client: int32(2)}, request(7, codec.OpGet, ""), 0); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v with a full batch, want ErrFull", err)
	}
	m.batch.wrote(codec.HeaderSize)
	if err := submit(m, Owner{Client: int32(2)}, request(7, codec.OpGet, ""), 0); err != nil {
		t.Fatalf("got %v with just enough room, want the request taken", err)
	}
	if m.Unanswered() != 2 {
		t.Errorf("got %d in flight, want 2", m.Unanswered())
	}
}

func TestUIDsWrap(t *testing.T) {
	config := testMuxConfig()
	config.MaxInFlight, config.Generation = 1, 0xffff
	r := &recorder{}
	m := NewMux(config, r)
	for _, want := range []uint32{0xffff_0000, 0x0000_0000, 0x0001_0000} {
		mustSubmit(t, m, 1, 7, "x", 0)
		asked := seen(t, m)[0].UID
		if asked != want {
			t.Errorf("got uid %#x, want %#x", asked, want)
		}
		mustDeliver(t, m, reply(asked, codec.OpGet, "y"), 0)
	}
	if got := len(r.take()); got != 3 {
		t.Errorf("got %d answers, want 3", got)
	}
}

// TestLargestTable uses every slot there can be.
func TestLargestTable(t *testing.T) {
	r := &recorder{}
	m := NewMux(Config{MaxInFlight: MaxInFlight, MaxBatch: 16 << 20, Timeout: deadline.Never}, r)
	wire := request(7, codec.OpGet, "x")
	for i := range MaxInFlight {
		if err := submit(m, Owner{Client: int32(i)}, wire, 0); err != nil {
			t.Fatalf("got %v for request %d", err, i)
		}
	}
	if err := submit(m, Owner{Client: int32(0)}, wire, 0); !errors.Is(err, ErrFull) {
		t.Fatalf("got %v, want ErrFull", err)
	}
	used := map[uint32]bool{}
	for i, asked := range seen(t, m) {
		if used[asked.UID] {
			t.Fatalf("uid %#x is in flight twice", asked.UID)
		}
		used[asked.UID] = true
		mustDeliver(t, m, reply(asked.UID, codec.OpGet, "y"), 0)
		if got := r.got[i].owner; got != i {
			t.Fatalf("got the answer %d for %d", i, got)
		}
	}
	mustBeEmpty(t, m)
}

// TestAskAgainFromWithinAnswer is a pipelining client: its next request may go into the
// very slot that its answer freed.
func TestAskAgainFromWithinAnswer(t *testing.T) {
	m, r := newMux()
	mustSubmit(t, m, 1, 7, "first", 0)
	first := reply(seen(t, m)[0].UID, codec.OpGet, "one")
	r.then = func(owner int, now time.Duration) { mustSubmit(t, m, owner, 8, "second", now) }
	mustDeliver(t, m, first, ms)
	asked := seen(t, m)
	if len(asked) != 1 || !bytes.Equal(asked[0].Payload(nil), []byte("second")) {
		t.Fatalf("got %v sent, want the second request", asked)
	}
	if got := m.busySince; got != ms {
		t.Errorf("got answers owed since %v, want 1ms", got)
	}
	mustDeliver(t, m, reply(asked[0].UID, codec.OpGet, "two"), 2*ms)
	r.mustHave(t, answer{1, 7, codec.OpGet, "one"}, answer{1, 8, codec.OpGet, "two"})
	mustBeEmpty(t, m)
}

func TestBusySince(t *testing.T) {
	m, _ := newMux()
	mustSubmit(t, m, 1, 7, "x", 10*ms)
	mustSubmit(t, m, 2, 7, "y", 20*ms)
	asked := seen(t, m)
	mustDeliver(t, m, reply(asked[0].UID, codec.OpGet, "z"), 30*ms)
	if got := m.busySince; got != 10*ms {
		t.Errorf("got owed since %v with one of two answered, want 10ms", got)
	}
	m.Expire(220 * ms) // answered for, but still owed
	mustSubmit(t, m, 3, 7, "w", 230*ms)
	if got := m.busySince; got != 10*ms {
		t.Errorf("got owed since %v with one late, want 10ms", got)
	}
	mustDeliver(t, m, reply(asked[1].UID, codec.OpGet, "z"), 240*ms)
	mustDeliver(t, m, reply(seen(t, m)[0].UID, codec.OpGet, "z"), 240*ms)
	mustBeEmpty(t, m)
	mustSubmit(t, m, 1, 7, "v", 250*ms)
	if got := m.busySince; got != 250*ms {
		t.Errorf("got owed since %v with nothing in flight before, want 250ms", got)
	}
}

func TestProbeIsNobodysAnswer(t *testing.T) {
	m, r := newMux()
	submitProbe(m, request(1, codec.OpHave, "ours"), 0)
	mustDeliver(t, m, reply(seen(t, m)[0].UID, codec.OpHave, "\x01"), ms)
	submitProbe(m, request(1, codec.OpHave, "ours"), 2*ms)
	m.Expire(time.Second)
	r.mustHave(t)
	if m.Unanswered() != 1 {
		t.Errorf("got %d unanswered, want the probe that timed out", m.Unanswered())
	}
}
