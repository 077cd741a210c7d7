package upstream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// answer is one that came, as the client sees it.
type answer struct {
	owner   int
	uid     uint32
	op      codec.Op
	payload string
}

func (a answer) String() string {
	return fmt.Sprintf("%d: uid %#x, %v, %.40q (%d bytes)", a.owner, a.uid, a.op, a.payload, len(a.payload))
}

// disconnected is the answer that stands for “no answer”.
const disconnected = "\x02"

// recorder is the Answers of tests.
type recorder struct {
	got  []answer
	then func(owner int, now time.Duration) // called from within Answer, once
	left map[int]bool                       // owners that have left
}

// Answer implements Answers.
func (r *recorder) Answer(o Owner, wire []byte, now time.Duration) bool {
	owner := int(o.Client)
	if r.left[owner] {
		return false
	}
	a := codec.NewAssembler(codec.Response)
	m, err := a.Next(wire)
	if err != nil || len(m.Wire) != len(wire) {
		r.got = append(r.got, answer{owner: owner, payload: "not one whole answer"})
		return true
	}
	r.got = append(r.got, answer{owner, m.UID, m.Op, string(m.Payload(nil))})
	if then := r.then; then != nil {
		r.then = nil
		then(owner, now)
	}
	return true
}

// leave makes owner one that has left.
func (r *recorder) leave(owner int) {
	if r.left == nil {
		r.left = map[int]bool{}
	}
	r.left[owner] = true
}

// take gives what came since the last take.
func (r *recorder) take() []answer {
	got := r.got
	r.got = nil
	return got
}

// mustHave compares what came since with want, in that order.
func (r *recorder) mustHave(t *testing.T, want ...answer) {
	t.Helper()
	if got := r.take(); !slices.Equal(got, want) {
		t.Errorf("got the answers %v, want %v", got, want)
	}
}

// request is one whole request of a client.
func request(uid uint32, op codec.Op, payload string) codec.Message {
	return parse(codec.AppendMessage(nil, codec.Request, uid, op, []byte(payload)), codec.Request)
}

// reply is dc_server's answer to the request that it saw under uid.
func reply(uid uint32, op codec.Op, payload string) codec.Message {
	return parse(codec.AppendMessage(nil, codec.Response, uid, op, []byte(payload)), codec.Response)
}

// parse gives the one message that wire is.
func parse(wire []byte, dir codec.Direction) codec.Message {
	a := codec.NewAssembler(dir)
	m, err := a.Next(wire)
	if err != nil || len(m.Wire) != len(wire) {
		panic("a test's message is not one whole message")
	}
	return m
}

// newMux is a Mux with room for 4 requests, a timeout of 200 ms, and its recorder.
func newMux() (*Mux, *recorder) {
	r := &recorder{}
	return NewMux(testMuxConfig(), r), r
}

func testMuxConfig() Config {
	return Config{MaxInFlight: 4, MaxBatch: 128 << 10, Timeout: 200 * time.Millisecond}
}

// submit and submitProbe submit a request of a client, and one of our own.
func submit(m *Mux, owner Owner, r codec.Message, now time.Duration) error {
	return m.submit(waiting, owner, &r, now)
}

func submitProbe(m *Mux, r codec.Message, now time.Duration) { _ = m.submit(own, Owner{}, &r, now) }

// mustSubmit submits a GET for owner.
func mustSubmit(t *testing.T, m *Mux, owner int, uid uint32, payload string, now time.Duration) {
	t.Helper()
	if err := submit(m, Owner{Client: int32(owner)}, request(uid, codec.OpGet, payload), now); err != nil {
		t.Fatalf("got %v, want the request taken", err)
	}
}

// seen gives the requests that were to be sent since, as dc_server sees them, and
// marks them as sent.
func seen(t *testing.T, m *Mux) []codec.Message {
	t.Helper()
	var all []codec.Message
	var a codec.Assembler
	rest := slices.Clone(m.Unsent())
	m.batch.wrote(len(rest))
	for len(rest) > 0 {
		r, err := a.Next(rest)
		if err != nil {
			t.Fatalf("got %v in what is sent to dc_server", err)
		}
		all = append(all, r)
		rest = rest[len(r.Wire):]
	}
	return all
}

// mustDeliver delivers an answer that must not cost the connection.
func mustDeliver(t *testing.T, m *Mux, a codec.Message, now time.Duration) {
	t.Helper()
	if err := m.Deliver(a, now); err != nil {
		t.Errorf("got %v, want the connection kept", err)
	}
}

func mustBeEmpty(t *testing.T, m *Mux) {
	t.Helper()
	if m.Unanswered() != 0 || m.Deadline() != deadline.Never {
		t.Errorf("got %d unanswered, a deadline at %v, want none", m.Unanswered(), m.Deadline())
	}
}
