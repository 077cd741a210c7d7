package upstream

import (
	"fmt"
	"testing"
	"time"

	"distcache/codec"
)

// loop is one hot path: run does it once. The zero-allocation test and the
// benchmarks run the same loops, so that what is timed is what is claimed.
type loop struct {
	name string // key=value, as benchstat reads them
	run  func()
}

// must ends a loop that no longer does what it is named after.
func must(tb testing.TB, ok bool) {
	if !ok {
		tb.Helper()
		tb.Fatal("the loop does something else than its name says")
	}
}

// counter is Answers that only counts.
type counter int

func (c *counter) Answer(Owner, []byte, time.Duration) bool { *c++; return true }

// loopPayloads are a GET's id, a TLS session, two frames, and the most.
func loopPayloads() []int { return []int{32, 212, 2200, 32768} }

// muxLoops forward requests and bring their answers back, several at a time in flight.
func muxLoops(tb testing.TB) []loop {
	var loops []loop
	for _, n := range loopPayloads() {
		for _, inFlight := range []int{1, 64} {
			loops = append(loops, loop{fmt.Sprintf("payload=%d/inflight=%d", n, inFlight), muxLoop(tb, n, inFlight)})
		}
	}
	return loops
}

func muxLoop(tb testing.TB, payload, inFlight int) func() {
	var answers counter
	m := NewMux(Config{MaxInFlight: 1 << 10, MaxBatch: 4 << 20, Timeout: time.Second}, &answers)
	asked := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, make([]byte, payload))
	answered := reply(7, codec.OpGet, string(make([]byte, payload)))
	var requests codec.Assembler
	return func() {
		before := answers
		for i := range inFlight {
			b := asked
			if len(asked) <= tailRoom {
				b = m.batch.tail(tailRoom)[:copy(m.batch.tail(tailRoom), asked)]
			}
			r, err := requests.Next(b)
			must(tb, err == nil)
			err = m.submit(waiting, Owner{Client: int32(i)}, &r, 0)
			must(tb, err == nil)
		}
		sent := m.Unsent()
		for range inFlight {
			r, err := requests.Next(sent)
			must(tb, err == nil)
			sent = sent[len(r.Wire):]
			answered.UID = r.UID
			must(tb, m.Deliver(answered, 0) == nil)
		}
		m.batch.wrote(len(m.Unsent()))
		must(tb, int(answers-before) == inFlight)
	}
}

// timeoutLoops let requests time out, and their answers come late.
func timeoutLoops(tb testing.TB) []loop {
	var answers counter
	m := NewMux(Config{MaxInFlight: 1 << 10, MaxBatch: 4 << 20, Timeout: time.Second}, &answers)
	r := request(7, codec.OpGet, "a session that is not found in time")
	late := reply(7, codec.OpGet, "x")
	var a codec.Assembler
	now := time.Duration(0)
	return []loop{{"what=late", func() {
		err := m.submit(waiting, Owner{Client: 1}, &r, now)
		must(tb, err == nil)
		sent, err := a.Next(m.Unsent())
		must(tb, err == nil)
		late.UID = sent.UID
		m.batch.wrote(len(m.Unsent()))
		before := answers
		now += time.Second
		m.Expire(now)
		must(tb, m.Deliver(late, now) == nil && answers == before+1 && m.Unanswered() == 0)
	}}}
}

// still is a Transport that takes everything.
type still struct{}

func (still) Drive(*Link)                 {}
func (still) Dial()                       {}
func (still) Close()                      {}
func (still) Write(b []byte) (int, error) { return len(b), nil }

func (still) LinkChanged(State, State, error, time.Duration) {}

// linkLoops are whole turns: requests submitted, written, and answered in one read.
func linkLoops(tb testing.TB) []loop {
	var loops []loop
	for _, inFlight := range []int{1, 64} {
		loops = append(loops, loop{fmt.Sprintf("payload=212/inflight=%d", inFlight), linkLoop(tb, inFlight)})
	}
	return loops
}

func linkLoop(tb testing.TB, inFlight int) func() {
	var answers counter
	m := NewMux(Config{MaxInFlight: 1 << 10, MaxBatch: 4 << 20, Timeout: time.Second}, &answers)
	l := NewLink(Config{Retry: time.Second, Timeout: time.Second, Random: func([]byte) {}}, m, still{}, still{})
	l.Start(0)
	l.Connected(0)
	l.Received(copy(l.Buffer(), reply(0, codec.OpHave, "\x01").Wire), 0)
	must(tb, l.State() == Up)
	r := request(7, codec.OpGet, "an id of a session")
	answered := reply(7, codec.OpGet, string(make([]byte, 212)))
	var a codec.Assembler
	return func() {
		before := answers
		in := l.Buffer()
		n := 0
		for i := range inFlight {
			err := m.submit(waiting, Owner{Client: int32(i)}, &r, 0)
			must(tb, err == nil)
		}
		for sent := m.Unsent(); len(sent) > 0; {
			asked, err := a.Next(sent)
			must(tb, err == nil)
			sent = sent[len(asked.Wire):]
			codec.SetUID(answered.Wire, asked.UID)
			n += copy(in[n:], answered.Wire)
		}
		l.Flush(0)
		l.Received(n, 0)
		must(tb, int(answers-before) == inFlight && l.State() == Up)
	}
}
