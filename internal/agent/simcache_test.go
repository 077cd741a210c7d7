package agent

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/store"
	"distcache/upstream"
)

// hoard is a life of an agent with a cache: clients that ask for a few sessions again and again, one to three servers that keep
// them, and other hosts that change them there.
type hoard struct {
	rng     *rand.Rand
	trace   *strings.Builder // nil: not wanted
	broken  string
	now     time.Duration
	tick    int
	agent   *Agent
	front   *front.Front
	memory  *store.Memory
	houses  []*house
	clients [3]hoarder
	values  map[string]string // value to ID, of all that were stored
	last    map[string]string // the last value of an ID
	// Other hosts give an ID to other sessions, and requests whose connection is lost may still be carried out.
	reused bool
}

// house is a server, and the connection to it.
type house struct {
	h        *hoard
	name     string
	link     *upstream.Link
	state    connection
	requests codec.Assembler
	in       []byte
	inbox    []codec.Message // their Wire is a copy
	outbox   []memAnswer
	sessions map[string]string
	past     map[string][]instant
}

// instant is from when on a house has a session; "": none.
type instant struct {
	tick  int
	at    time.Duration
	value string
}

// hoarder is a client.
type hoarder struct {
	unread []byte
	paused bool
	owed   []*wish
	in     []byte
}

// wish is a request.
type wish struct {
	op   codec.Op
	id   string
	tick int
	at   time.Duration
}

func newHoard(seed uint64, trace *strings.Builder) *hoard {
	h := &hoard{rng: rand.New(rand.NewPCG(seed, 3)), trace: trace, values: map[string]string{}, last: map[string]string{}}
	h.reused = h.rng.IntN(2) == 0
	config := testConfig()
	config.Server.Retry, config.Gets = 50*ms, testWindow
	memory, err := store.NewMemory(store.Config{MaxSessions: 1 + h.rng.IntN(6), MaxBytes: store.MinBytes})
	if err != nil {
		panic(err)
	}
	h.memory, config.Cache = memory, memory
	names := strings.Split("abc"[:1+h.rng.IntN(3)], "")
	config.Several, config.Spread = len(names) > 1, len(names) > 1 && h.rng.IntN(2) == 0
	h.agent = New(config, h)
	h.front = h.agent.AddFront(front.NewDistcache(), h, buffer.NewPool(1<<20))
	h.agent.Arrange(names, func(name string) upstream.Spec {
		s := &house{h: h, name: name, sessions: map[string]string{}, past: map[string][]instant{}}
		h.houses = append(h.houses, s)
		return upstream.Spec{Name: name, Config: config.Server, Transport: s}
	}, 0)
	h.agent.Start(0)
	for c := range h.clients {
		h.front.Opened(c, 0)
	}
	return h
}

func (h *hoard) note(format string, args ...any) {
	if h.trace != nil {
		fmt.Fprintf(h.trace, "%6d %10v  %s\n", h.tick, h.now, fmt.Sprintf(format, args...))
	}
}

func (h *hoard) must(holds bool, format string, args ...any) {
	if !holds {
		h.broken = fmt.Sprintf(format, args...)
		h.note("BROKEN: %s", h.broken)
		panic(violation{})
	}
}

// ServingChanged and ClientDropped implement Observer.
func (h *hoard) ServingChanged(_, to *upstream.Member, _ time.Duration) {
	h.note("%s serves", to.Name())
}
func (h *hoard) ClientDropped(c int, why front.Reason, err error, _ time.Duration) {
	h.must(false, "client %d was dropped: %v, %v", c, why, err)
}

// Drive, Dial, Close and Write implement upstream.Transport.
func (s *house) Drive(l *upstream.Link) { s.link = l }
func (s *house) Dial()                  { s.state = dialing }

func (s *house) Close() {
	s.h.note("%s: closed with %d requests", s.name, len(s.inbox))
	for s.h.reused && len(s.inbox) > 0 && s.h.rng.IntN(3) > 0 {
		s.serve()
	}
	s.state, s.in, s.inbox, s.outbox = off, nil, nil, nil
}

func (s *house) Write(b []byte) (int, error) {
	s.in = append(s.in, b...)
	for {
		m, err := s.requests.Next(s.in)
		if err != nil {
			return len(b), nil
		}
		s.in = s.in[len(m.Wire):]
		m.Wire = bytes.Clone(m.Wire)
		s.inbox = append(s.inbox, m)
	}
}

func (s *house) connect() {
	if s.state == dialing {
		s.h.note("%s: connected", s.name)
		s.state, s.requests = connected, codec.NewAssembler(codec.Request)
		s.link.Connected(s.h.now)
	}
}

// serve carries out the oldest request.
func (s *house) serve() {
	if len(s.inbox) == 0 {
		return
	}
	m := s.inbox[0]
	s.inbox = s.inbox[1:]
	id := string(m.SessionID())
	value, there := s.sessions[id]
	status := codec.StatusNotOK
	if there {
		status = codec.StatusOK
	}
	answer := []byte{byte(status)}
	switch {
	case m.Op == codec.OpGet && there:
		answer = []byte(value)
	case m.Op == codec.OpAdd && there:
		answer[0] = byte(codec.StatusAddExists)
	case m.Op == codec.OpAdd:
		add, _ := codec.ParseAdd(m.Payload(nil))
		s.put(id, string(add.Data))
		answer[0] = byte(codec.StatusOK)
	case m.Op == codec.OpRemove && there:
		s.put(id, "")
	}
	s.h.note("%s: %v %s: %.12q", s.name, m.Op, id, answer)
	s.outbox = append(s.outbox, memAnswer{id, codec.AppendMessage(nil, codec.Response, m.UID, m.Op, answer)})
}

// put makes value the session of an ID; "": none.
func (s *house) put(id, value string) {
	if value == "" {
		delete(s.sessions, id)
	} else {
		s.sessions[id] = value
	}
	s.past[id] = append(s.past[id], instant{s.h.tick, s.h.now, value})
}

// deliver brings an answer. Those for one ID come in their order.
func (s *house) deliver() {
	if len(s.outbox) == 0 {
		return
	}
	id := s.outbox[s.h.rng.IntN(len(s.outbox))].id
	i := slices.IndexFunc(s.outbox, func(a memAnswer) bool { return a.id == id })
	answer := s.outbox[i].wire
	s.outbox = slices.Delete(s.outbox, i, i+1)
	s.link.Received(copy(s.link.Buffer(), answer), s.h.now)
}

// intrude lets another host change a session.
func (s *house) intrude() {
	h := s.h
	id := h.anyID()
	switch value := h.last[id]; {
	case s.sessions[id] != "" && h.reused && h.rng.IntN(2) == 0:
		h.note("%s: another host replaces %s", s.name, id)
		s.put(id, "")
		s.put(id, h.value(id))
	case s.sessions[id] != "":
		h.note("%s: another host removes %s", s.name, id)
		s.put(id, "")
	case h.reused:
		h.note("%s: another host adds %s", s.name, id)
		s.put(id, h.value(id))
	case value != "" && slices.ContainsFunc(s.past[id], func(i instant) bool { return i.value == value }):
		h.note("%s: another host adds %s again", s.name, id)
		s.put(id, value)
	}
}

func (h *hoard) anyID() string { return fmt.Sprintf("session-%d", h.rng.IntN(3)) }

// value is a session that no other request has.
func (h *hoard) value(id string) string {
	v := fmt.Sprintf("%s:%d:%s", id, len(h.values), strings.Repeat("v", []int{0, 150, 2000, 5000}[min(h.rng.IntN(12), 3)]))
	h.values[v] = id
	h.last[id] = v
	return v
}

// ask has a client write a request.
func (h *hoard) ask(c int) {
	client := &h.clients[c]
	if len(client.owed) >= testWindow {
		return
	}
	w := &wish{op: codec.OpGet, id: h.anyID(), tick: h.tick, at: h.now}
	switch k := h.rng.IntN(24); {
	case k < 3:
		w.op = codec.OpAdd
	case k == 3:
		w.op = codec.OpRemove
	case k == 4:
		w.op = codec.OpHave
	}
	payload := []byte(w.id)
	if w.op == codec.OpAdd {
		payload = codec.AppendAdd(nil, codec.Add{Timeout: time.Hour, ID: payload, Data: []byte(h.value(w.id))})
	}
	h.note("client %d: %v %s", c, w.op, w.id)
	client.owed = append(client.owed, w)
	client.unread = codec.AppendMessage(client.unread, codec.Request, uint32(h.tick), w.op, payload)
	h.feed(c)
}

// feed brings what a client has written.
func (h *hoard) feed(c int) {
	client := &h.clients[c]
	for len(client.unread) > 0 && !client.paused {
		b := h.front.Buffer(c)
		if client.paused = len(b) == 0; client.paused {
			return
		}
		n := copy(b, client.unread)
		client.unread = client.unread[n:]
		h.front.Received(c, b[:n], h.now)
	}
}

// pass lets time go by, with each deadline met.
func (h *hoard) pass(d time.Duration) {
	until := h.now + d
	for range 10_000 {
		due := h.agent.Deadline()
		if due > until {
			h.now = until
			return
		}
		h.now = max(h.now, due)
		h.agent.Expire(h.now)
		h.agent.TurnEnded(h.now)
	}
	h.must(false, "the deadline stays at %v: the loop spins", h.agent.Deadline())
}

func (h *hoard) step() {
	h.tick++
	s := h.houses[h.rng.IntN(len(h.houses))]
	switch k := h.rng.IntN(40); {
	case k < 14:
		h.ask(h.rng.IntN(len(h.clients)))
	case k < 16:
		h.feed(h.rng.IntN(len(h.clients)))
	case k < 24:
		for range h.rng.IntN(4) {
			s.serve()
		}
	case k < 32:
		for range h.rng.IntN(4) {
			s.deliver()
		}
	case k == 33:
		s.intrude()
	case k == 34 && h.rng.IntN(2) == 0 && s.state != off:
		s.link.Broken(upstream.ErrClosed, h.now)
		for id := range s.sessions { // it was started again
			s.put(id, "")
		}
	case k == 35 && h.rng.IntN(20) == 0:
		h.pass(time.Duration(h.rng.IntN(300)) * ms)
	case k == 36 && h.rng.IntN(8) == 0:
		h.settle(1)
		for range h.rng.IntN(100) {
			h.pass(time.Second)
			h.settle(1) // probes
		}
	case k == 37: // a better one is back
		s.connect()
	case h.agent.Servers().Up():
		h.pass(time.Duration(h.rng.IntN(3)) * ms)
	default:
		h.pass(time.Duration(h.rng.IntN(60)) * ms)
		s.connect()
		s.serve()
		s.deliver()
	}
	h.agent.TurnEnded(h.now)
}

// settle has everything answered that comes within some rounds.
func (h *hoard) settle(rounds int) {
	for range rounds {
		for _, s := range h.houses {
			s.connect()
			for len(s.inbox) > 0 {
				s.serve()
			}
			for len(s.outbox) > 0 {
				h.tick++
				s.deliver()
			}
		}
		for c := range h.clients {
			h.feed(c)
		}
		h.agent.TurnEnded(h.now)
		h.pass(10 * ms)
	}
}

// playHoard plays one life. A panic is a broken rule.
func playHoard(seed uint64, trace *strings.Builder) (h *hoard) {
	h = newHoard(seed, trace)
	defer closeTestCache(h.memory)
	defer func() {
		switch p := recover(); p.(type) {
		case nil, violation:
		default:
			h.broken = fmt.Sprintf("panic: %v", p)
		}
	}()
	for range 200 + h.rng.IntN(600) {
		h.step()
	}
	h.settle(20)
	for c := range h.clients {
		h.must(len(h.clients[c].owed) == 0, "client %d is owed %d answers at the end", c, len(h.clients[c].owed))
	}
	h.must(h.agent.cache.idle(), "something that concerns the cache is under way at the end")
	h.agent.Stop(h.now)
	h.must(h.agent.Deadline() == deadline.Never, "due at %v after the end", h.agent.Deadline())
	return h
}

// simulateCache plays n lives of an agent with a cache.
func simulateCache(t *testing.T, seed uint64, n int) {
	sum := CacheCounters{}
	for i := range n {
		h := playHoard(seed+uint64(i), nil)
		if h.broken != "" {
			trace := &strings.Builder{}
			again := playHoard(seed+uint64(i), trace)
			t.Fatalf("%s\nto repeat: SEED=%d HISTORIES=1\n%s", again.broken, seed+uint64(i), lastLines(trace.String(), 120))
		}
		sum.Hits += h.agent.cache.Counters.Hits
		sum.Gone += h.agent.cache.Counters.Gone
		sum.Again += h.agent.cache.Counters.Again
	}
	t.Logf("%d lives, %+v", n, sum)
	if n >= 100 && (sum.Hits < 100 || sum.Gone == 0 || sum.Again == 0) {
		t.Errorf("got %+v, want each of these to happen", sum)
	}
}
