package upstream

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// FuzzMux lets the input decide what happens to a Mux: requests come, are sent in
// parts, answered, answered twice, abandoned, time out, and the connection is lost. A
// model knows what each request is owed.
func FuzzMux(f *testing.F) {
	f.Add([]byte{doSubmit, 0, doSend, 255, doReply, 0})
	f.Add([]byte{doSubmit, 1, doSubmit, 2, doSend, 20, doSend, 255, doReply, 1, doReply, 0, doReplyTwice, 1})
	f.Add([]byte{doSubmit, 0, doSend, 255, doPass, 200, doReply, 0})
	f.Add([]byte{doSubmit, 0, doAbandon, 0, doSend, 255, doSubmit, 9, doReply, 0, doLose, 0, doSubmit, 1})
	f.Add([]byte{doSubmit, 0, doSubmit, 0, doSubmit, 0, doSubmit, 0, doSubmit, 0, doSend, 255, doPass, 250,
		doSubmit, 0, doSubmit, 0, doSend, 255, doReply, 0, doReply, 4, doReplyTwice, 0})
	f.Add([]byte{doSubmit, 255, doSubmit, 3, doSend, 9, doLose, 0, doSubmit, 1, doSend, 255, doReply, 0})
	f.Add([]byte{doProbe, 0, doSend, 255, doStray, 77, doReply, 0, doPass, 255, doPass, 255})
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 600 {
			return // a longer one shows nothing that a shorter one does not
		}
		newModel(t).play(script)
	})
}

// The steps of a script, each followed by a byte that says which or how much.
const (
	doSubmit = iota
	doSend
	doReply
	doReplyTwice
	doAbandon
	doPass
	doLose
	doProbe
	doStray
	numSteps
)

// model is what a Mux owes to whom.
type model struct {
	t         *testing.T
	mux       *Mux
	now       time.Duration
	requests  []*asked // by owner: one request each
	replying  *asked   // whose answer is being delivered
	failing   bool     // requests are being answered for dc_server
	assembler codec.Assembler
	stream    []byte          // sent, the beginning of a request
	onWire    []codec.Message // whole requests that dc_server has and has not answered
	replied   []codec.Message // answers that were given on this connection

	byPayload map[string]*asked
}

// asked is one request.
type asked struct {
	codec.Message
	since time.Duration
	open  bool // owed an answer
	left  bool // its client has gone
}

func newModel(t *testing.T) *model {
	m := &model{t: t, byPayload: map[string]*asked{}}
	m.mux = NewMux(Config{MaxInFlight: 4, MaxBatch: 9000, Timeout: 200 * ms, Generation: 0xfffe}, m)
	return m
}

func (m *model) play(script []byte) {
	for len(script) >= 2 && !m.t.Failed() {
		m.step(script[0]%numSteps, int(script[1]))
		script = script[2:]
	}
	m.lose()
	if m.mux.Unanswered() != 0 || len(m.mux.Unsent()) != 0 {
		m.t.Errorf("at the end: %d in flight, %d bytes to send, want none", m.mux.Unanswered(), len(m.mux.Unsent()))
	}
	for owner, r := range m.requests {
		if r.open {
			m.t.Errorf("request %d was never answered", owner)
		}
	}
}

func (m *model) step(what byte, which int) {
	switch what {
	case doSubmit:
		m.submit(which)
	case doSend:
		m.send(which)
	case doReply:
		m.reply(which)
	case doReplyTwice:
		if len(m.replied) > 0 {
			m.deliver(m.replied[which%len(m.replied)])
		}
	case doAbandon:
		m.abandon(which)
	case doPass:
		m.pass(time.Duration(which) * ms)
	case doLose:
		m.lose()
	case doProbe:
		submitProbe(m.mux, request(uint32(which), codec.OpHave, "probe"), m.now)
	case doStray:
		m.deliver(reply(uint32(which)<<24|0x00ff_ffff, codec.OpGet, "stray"))
	}
}

// submit asks for a new owner: in one frame or more, at the tail or from elsewhere.
func (m *model) submit(which int) {
	owner := len(m.requests)
	payload := fmt.Appendf(nil, "request %d", owner)
	if which%5 == 4 {
		payload = append(payload, make([]byte, 2048)...)
	}
	var dst []byte
	if which%2 == 0 {
		dst = m.mux.batch.tail(tailRoom)[:0]
	}
	wire := codec.AppendMessage(dst, codec.Request, uint32(which), codec.Op(which%codec.NumOps), payload)
	r := &asked{Message: parse(slices.Clone(wire), codec.Request), since: m.now}
	if submit(m.mux, Owner{Client: int32(owner)}, parse(wire, codec.Request), m.now) != nil {
		return
	}
	r.open = true
	m.requests = append(m.requests, r)
	m.byPayload[string(payload)] = r
}

// send writes up to 4 times which bytes to dc_server.
func (m *model) send(which int) {
	n := min(4*which, len(m.mux.Unsent()))
	m.stream = append(m.stream, m.mux.Unsent()[:n]...)
	m.mux.batch.wrote(n)
	for {
		r, err := m.assembler.Next(m.stream)
		if err == codec.ErrShort {
			return
		}
		if err != nil {
			m.t.Fatalf("dc_server was sent %v", err)
		}
		r.Wire = slices.Clone(r.Wire)
		m.stream = m.stream[len(r.Wire):]
		m.arrive(r)
	}
}

func (m *model) arrive(r codec.Message) {
	for _, other := range m.onWire {
		if other.UID == r.UID {
			m.t.Errorf("uid %#x was used again before its answer", r.UID)
		}
	}
	m.onWire = append(m.onWire, r)
}

// reply answers one of the requests that dc_server has with its own payload.
func (m *model) reply(which int) {
	if len(m.onWire) == 0 {
		return
	}
	i := which % len(m.onWire)
	r := m.onWire[i]
	m.onWire = slices.Delete(m.onWire, i, i+1)
	a := reply(r.UID, r.Op, string(r.Payload(nil)))
	m.replied = append(m.replied, a)
	m.replying = m.byPayload[string(r.Payload(nil))] // nil for a probe
	m.deliver(a)
	m.replying = nil
}

func (m *model) deliver(a codec.Message) {
	a.Wire = slices.Clone(a.Wire)
	if err := m.mux.Deliver(a, m.now); err != nil {
		m.t.Errorf("got %v, want the connection kept", err)
	}
	if m.replying != nil && m.replying.open {
		m.t.Errorf("the answer to %q did not come through", m.replying.Payload(nil))
	}
}

func (m *model) abandon(which int) {
	if len(m.requests) == 0 {
		return
	}
	if r := m.requests[which%len(m.requests)]; r.open {
		r.open, r.left = false, true
	}
}

func (m *model) pass(d time.Duration) {
	m.now += d
	m.failing = true
	m.mux.Expire(m.now)
	m.failing = false
	for owner, r := range m.requests {
		if r.open && m.now >= r.since+200*ms {
			m.t.Errorf("request %d is not answered after %v", owner, m.now-r.since)
		}
	}
}

func (m *model) lose() {
	m.failing = true
	m.mux.Lost(m.now)
	m.failing = false
	m.assembler, m.stream, m.onWire, m.replied = codec.Assembler{}, nil, nil, nil
}

// Answer implements Answers: the answer must be owed, by that owner, and its own.
func (m *model) Answer(o Owner, wire []byte, _ time.Duration) bool {
	owner := int(o.Client)
	a, r := parse(wire, codec.Response), m.requests[owner]
	if r.left {
		return false
	}
	if !r.open {
		m.t.Errorf("request %d got an answer that it is not owed", owner)
	}
	r.open = false
	want := string(r.Payload(nil))
	if m.failing {
		want = disconnected
	} else if m.replying != r {
		m.t.Errorf("request %d got an answer that is not its own", owner)
	}
	if a.UID != r.UID || a.Op != r.Op || string(a.Payload(nil)) != want {
		m.t.Errorf("request %d got uid %#x, %v, %q, want %#x, %v, %q",
			owner, a.UID, a.Op, a.Payload(nil), r.UID, r.Op, want)
	}
	return true
}

// TestMuxScripts plays random scripts, of which the fuzz target only learns in time.
func TestMuxScripts(t *testing.T) {
	rng := kit.Random(t)
	for range 2000 {
		script := make([]byte, 2*rng.IntN(200))
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		if newModel(t).play(script); t.Failed() {
			t.Fatalf("the script was %v", script)
		}
	}
}
