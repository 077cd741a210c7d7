package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/test/kit"
	"distcache/upstream"
)

// hop is the connection to one of the servers that an agent moves to.
type hop struct {
	m        *mover
	link     *upstream.Link
	state    connection
	requests codec.Assembler
	in       []byte
	pending  []codec.Message // their Wire is a copy
}

// Drive, Dial, Close and Write implement upstream.Transport.
func (h *hop) Drive(l *upstream.Link) { h.link = l }

func (h *hop) Dial() {
	if h.state != off {
		h.m.t.Error("dialed while connected")
	}
	h.state = dialing
}

func (h *hop) Close() { h.state, h.in, h.pending = off, nil, nil }

func (h *hop) Write(b []byte) (int, error) {
	h.in = append(h.in, b...)
	for {
		m, err := h.requests.Next(h.in)
		if err != nil {
			return len(b), nil
		}
		rest := h.in[len(m.Wire):]
		m.Wire = slices.Clone(m.Wire)
		h.pending, h.in = append(h.pending, m), rest
	}
}

// mover is a history of moves, with the servers that take part.
type mover struct {
	*rig
	rng   *rand.Rand
	hops  []*hop
	owed  map[int][]uint32 // by client: the uids whose answers are to come, in order
	uid   uint32
	moved int
}

// step lets something happen.
func (m *mover) step() {
	h := m.hops[m.rng.IntN(len(m.hops))]
	switch k := m.rng.IntN(20); {
	case k < 7:
		m.askAny()
	case k < 11:
		m.answerOne(h)
	case k < 14 && h.state == dialing:
		h.state, h.requests, h.in = connected, codec.NewAssembler(codec.Request), nil
		h.link.Connected(m.now)
	case k < 15 && h.state != off && m.rng.IntN(4) == 0:
		h.link.Broken(upstream.ErrClosed, m.now)
	case k < 16 && m.rng.IntN(3) == 0:
		next := &hop{m: m}
		m.hops = append(m.hops, next)
		m.move(next, func(moved bool, _ time.Duration) {
			if moved {
				m.moved++
			}
		})
	case k < 18:
		m.at(m.now + time.Duration(m.rng.IntN(60))*ms)
	}
	m.TurnEnded(m.now)
}

// askAny sends a request of any client.
func (m *mover) askAny() {
	c := 1 + m.rng.IntN(4)
	if len(m.owed[c]) == testConfig().Gets || len(m.Buffer(c)) == 0 { // it waits for its answers
		return
	}
	m.uid++
	m.owed[c] = append(m.owed[c], m.uid)
	m.ask(c, m.uid, fmt.Sprint(m.uid))
	m.collect()
}

// answerOne lets h answer one of its requests, any: a GET with its own payload.
func (m *mover) answerOne(h *hop) {
	if h.state != connected || len(h.pending) == 0 {
		return
	}
	i := m.rng.IntN(len(h.pending))
	q := h.pending[i]
	h.pending = slices.Delete(h.pending, i, i+1)
	payload := []byte{byte(codec.StatusNotOK)}
	if q.Op == codec.OpGet {
		payload = q.Payload(nil)
	}
	n := copy(h.link.Buffer(), codec.AppendMessage(nil, codec.Response, q.UID, q.Op, payload))
	h.link.Received(n, m.now)
}

// collect takes what clients got: the answers to their requests in order, each their own or
// DISCONNECTED.
func (m *mover) collect() {
	m.t.Helper()
	for c, got := range m.got {
		answers := codec.NewAssembler(codec.Response)
		for len(got) > 0 {
			a, err := answers.Next(got)
			if err != nil || len(m.owed[c]) == 0 || a.UID != m.owed[c][0] {
				m.t.Fatalf("client %d got %.40x, %v, want the answer to one of %v", c, got, err, m.owed[c])
			}
			if p := string(a.Payload(nil)); p != fmt.Sprint(a.UID) && p != disconnected {
				m.t.Fatalf("client %d got %q for uid %d", c, p, a.UID)
			}
			got, m.owed[c] = got[len(a.Wire):], m.owed[c][1:]
		}
		m.got[c] = nil
	}
}

// TestF10MovesAtRandom: whatever happens to the connections during moves, each request is answered
// once, with its own answer or DISCONNECTED, in order; and in the end nothing is left.
func TestF10MovesAtRandom(t *testing.T) {
	seed, moved := kit.Seed(t), 0
	for history := range uint64(100) {
		m := &mover{rng: rand.New(rand.NewPCG(seed, history)), owed: map[int][]uint32{}}
		m.rig = &rig{t: t, pool: buffer.NewPool(1 << 20), got: map[int][]byte{}, closed: map[int]bool{}}
		m.hops = []*hop{{m: m}}
		m.start(testConfig(), m.hops[0])
		m.come(1, 2, 3, 4)
		for range 200 {
			m.step()
			m.collect()
		}
		m.at(m.now + testTimeout + FirstWait) // nothing is owed longer
		m.collect()
		for c, owed := range m.owed {
			if len(owed) > 0 {
				t.Fatalf("history %d: client %d is owed %v", history, c, owed)
			}
		}
		m.Agent.Stop(m.now)
		for i, h := range m.hops {
			if h.state != off {
				t.Errorf("history %d: the connection to server %d is still there", history, i)
			}
		}
		if due := m.Deadline(); due != deadline.Never {
			t.Errorf("history %d: something is due at %v after the end", history, due)
		}
		moved += m.moved
	}
	if moved < 20 {
		t.Errorf("got %d moves that succeeded, want 20 and more", moved)
	}
}
