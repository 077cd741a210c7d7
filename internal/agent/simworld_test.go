package agent

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/upstream"
)

const ms = time.Millisecond

// world is one life of an agent: the agent, all that is around it, and the clock.
type world struct {
	rng    *rand.Rand
	trace  *strings.Builder // nil: not wanted
	broken string           // the first rule that was broken

	now     time.Duration
	config  Config
	plenty  bool // of memory for unfinished requests
	pool    *buffer.Pool
	agent   *Agent
	front   *front.Front
	clients [8]*client // by number
	asked   []*ask     // every whole request that was written
	lives   int        // of clients, so far
	server  server
	stunnel *stunnels // nil in most lives

	state      upstream.State // as LinkChanged told
	downAt     time.Duration
	waiting    bool // for the very first connection
	waitEnds   time.Duration
	stopped    bool
	turnWanted bool
	calm       bool // the end has begun: no more faults
	hurried    bool // the clock jumped since the link went down

	weights [numSteps]int
	totals  totals
}

// totals are what the histories held, and what the agent's counters must agree with.
type totals struct {
	Histories, Steps, Clients, Requests, Answers, Disconnected, ShortAdds  uint64
	Ups, Silent, Held, Refused, Late, Swallowed, Unsolicited               uint64
	Corrupt, Partial, Unread, Idle, NoMemory, SocketError, Displaced, Full uint64
	Datagrams, DatagramHits                                                uint64
	Unseen                                                                 uint64 // requests open at the end of a client
}

func newWorld(rng *rand.Rand, trace *strings.Builder) *world {
	w := &world{rng: rng, trace: trace}
	w.now = pick(w, 0, time.Second, 90*24*time.Hour)
	w.config = w.anyConfig()
	w.plenty = w.roll(95)
	limit := 8 << 20
	if !w.plenty {
		limit = (1 + rng.IntN(12)) << 12
	}
	w.pool = buffer.NewPool(limit)
	w.server = server{w: w, lastDial: -time.Hour}
	if w.roll(10) {
		w.config.Cache = newTestCache()
	}
	w.agent = newSingle(w.config, &w.server, w)
	w.front = w.agent.AddFront(front.NewDistcache(), w, w.pool)
	if w.roll(25) {
		w.stunnel = w.addStunnels()
	}
	return w
}

func (w *world) anyConfig() Config {
	timeout := pick(w, 200*ms, 200*ms, 200*ms, 50*ms, 3*time.Second, deadline.Never)
	return Config{
		Server: upstream.Config{
			MaxInFlight: pick(w, 64, 64, 64, 3, 1),
			MaxBatch:    pick(w, 256<<10, 256<<10, 40<<10, 2<<10),
			Timeout:     timeout,
			Generation:  pick(w, 0, 0xfffe, 0xffff, uint16(w.rng.Uint32())),
			Retry:       pick(w, ms, 50*ms, 50*ms, 5*time.Second),
			Random:      w.random,
			EndTurn:     w.EndTurn,
		},
		Window:    pick(w, 1, 2, 3, 64, 64),
		Gets:      pick(w, 1, 2, 3, 64),
		Idle:      pick(w, deadline.Never, deadline.Never, 300*ms, 10*time.Second),
		MinExpiry: pick(w, 0, 0, time.Minute),
	}
}

// pick takes one of the choices.
func pick[T any](w *world, choices ...T) T { return choices[w.rng.IntN(len(choices))] }

// roll is true in percent of cases.
func (w *world) roll(percent int) bool { return w.rng.IntN(100) < percent }

// random is upstream.Config.Random. What a probe gets is remembered, to know the probe by.
func (w *world) random(b []byte) {
	for i := range b {
		b[i] = byte(w.rng.Uint32())
	}
	if len(b) > 8 {
		w.server.probeID = append(w.server.probeID[:0], b[:len(b)-4]...)
		copy(w.server.probeID, codec.ProbeMark)
	}
}

func (w *world) note(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%14v  %s\n", w.now, fmt.Sprintf(format, args...))
	}
}

// The kinds of events.
const (
	stepOpen = iota
	stepAsk
	stepRead
	stepLeave
	stepDrain
	stepDial
	stepReply
	stepDeliver
	stepMisbehave
	stepBreak
	stepWritable
	stepPass
	stepTurn
	stepDatagram
	numSteps
)

// frequencies is how often each kind of event is met in an average history.
func frequencies() [numSteps]int {
	return [numSteps]int{
		stepOpen: 3, stepAsk: 14, stepRead: 20, stepLeave: 2, stepDrain: 3,
		stepDial: 10, stepReply: 14, stepDeliver: 14, stepMisbehave: 1, stepBreak: 1, stepWritable: 4,
		stepPass: 5, stepTurn: 5, stepDatagram: 6,
	}
}

// begin starts the agent.
func (w *world) begin() {
	w.waiting, w.waitEnds = true, w.now+FirstWait
	w.agent.Start(w.now)
}

// live lets things happen at random.
func (w *world) live() {
	w.totals.Histories++
	w.note("history %d", w.totals.Histories)
	if w.roll(80) { // a good beginning
		w.calm = true
		if w.state == upstream.Down {
			w.pass(w.agent.Server().Link().Deadline() - w.now)
		}
		w.server.calmly()
		w.calm = false
	}
	w.weights = frequencies()
	for i := range w.weights {
		w.weights[i] *= pick(w, 0, 1, 1, 1, 1, 1, 1, 3) // each history has its own temper
	}
	total := 0
	for _, weight := range w.weights {
		total += weight
	}
	for range 20 + w.rng.IntN(130) {
		n, kind := w.rng.IntN(max(1, total)), 0
		for n >= w.weights[kind] && kind < numSteps-1 {
			n -= w.weights[kind]
			kind++
		}
		w.step(kind)
		if w.roll(40) {
			w.turn()
		}
		w.totals.Steps++
		w.rules()
	}
}

func (w *world) step(kind int) {
	c := w.clients[w.rng.IntN(len(w.clients))]
	for i := 0; c == nil && i < len(w.clients); i++ {
		c = w.clients[i]
	}
	switch kind {
	case stepOpen:
		w.open()
	case stepDial:
		w.server.finishDial()
	case stepReply:
		w.server.reply()
	case stepDeliver:
		w.server.deliver()
	case stepMisbehave:
		w.server.misbehave()
	case stepBreak:
		if w.roll(25) {
			w.server.breakOff()
		}
	case stepWritable:
		w.server.writable()
	case stepPass:
		w.pass(w.someTime())
	case stepTurn:
		w.turn()
	case stepDatagram:
		if w.stunnel != nil {
			w.stunnel.act()
		}
	default:
		if c != nil {
			w.clientStep(kind, c)
		}
	}
}

func (w *world) clientStep(kind int, c *client) {
	switch kind {
	case stepAsk:
		c.act()
	case stepRead:
		c.beRead()
	case stepLeave:
		c.leave()
	case stepDrain:
		c.drain()
	}
}

// turn ends the loop's turn.
func (w *world) turn() {
	if w.turnWanted {
		w.turnWanted = false
		w.agent.TurnEnded(w.now)
	}
}

func (w *world) someTime() time.Duration {
	most := pick(w, 1, ms, ms, ms, 20*ms, 20*ms, 20*ms, 300*ms)
	if w.roll(5) {
		most = pick(w, 3*time.Second, 10*time.Second, 2*time.Minute)
	}
	return time.Duration(1 + w.rng.Int64N(int64(most)))
}

// pass lets d go by, with each deadline met, or once in a while in one leap, as when
// the process was stopped. The loop does not sleep before its turn is over.
func (w *world) pass(d time.Duration) {
	w.turn()
	until := w.now + d
	if !w.calm {
		w.note("%v pass", d)
	}
	if w.roll(5) && !w.calm {
		w.now, w.hurried = until, true
	}
	for range 10_000 {
		due := w.agent.Deadline()
		if due > until {
			w.now = until
			w.rules()
			return
		}
		w.now = max(w.now, due)
		w.agent.Expire(w.now)
		w.turn()
		if w.agent.Deadline() > w.now {
			w.rules()
		}
	}
	w.fail("Deadline stays in the past: the loop spins")
}

// ServingChanged implements Observer: there is one server.
func (w *world) ServingChanged(_, _ *upstream.Member, _ time.Duration) {}

// LinkChanged implements upstream.Watcher.
func (w *world) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	w.note("link: %v to %v, %v", from, to, why)
	w.must(from == w.state && to != from && now == w.now, "told of %v to %v while %v", from, to, w.state)
	w.state = to
	switch to {
	case upstream.Up:
		w.totals.Ups++
		w.server.wasUp = true
		w.must(w.server.proved, "the link is up, and the probe was not answered well")
		w.waiting = false
		w.renew()
	case upstream.Down:
		w.downAt, w.hurried = now, false
		w.waiting = false
		w.mayGoDown(from, why)
	}
}

// renew gives the requests that waited for the first connection their time.
func (w *world) renew() {
	for _, c := range w.clients {
		if c != nil {
			c.setDue(true)
		}
	}
}

// due is when a request that is taken now must be answered.
func (w *world) due() time.Duration {
	if w.config.Server.Timeout == deadline.Never {
		return deadline.Never
	}
	return w.now + w.config.Server.Timeout
}

// ClientDropped implements Observer.
func (w *world) ClientDropped(number int, why front.Reason, err error, _ time.Duration) {
	c := w.clients[number]
	w.must(c != nil, "client %d was dropped, which is not there", number)
	w.note("%v dropped: %v, %v", c, why, err)
	w.mayDrop(c, why)
	c.excuse = why.String()
}

// digest tells payloads apart.
func digest(op codec.Op, payload []byte) uint64 {
	const prime = 0x9e3779b97f4a7c15
	h := (uint64(op)+1)*prime ^ uint64(len(payload))
	for len(payload) >= 8 {
		word := uint64(payload[0]) | uint64(payload[1])<<8 | uint64(payload[2])<<16 | uint64(payload[3])<<24 |
			uint64(payload[4])<<32 | uint64(payload[5])<<40 | uint64(payload[6])<<48 | uint64(payload[7])<<56
		h = (h ^ word) * prime
		h ^= h >> 29
		payload = payload[8:]
	}
	for _, b := range payload {
		h = (h ^ uint64(b)) * prime
		h ^= h >> 29
	}
	return h
}

// answerTo is what the simulated dc_server answers to a payload of that digest: bytes
// that no other request has, but for the few of no length or one byte.
func answerTo(h uint64) []byte {
	size := 0
	switch k := h >> 33 & 63; {
	case k == 0:
		return nil
	case k == 1:
		return []byte{byte(h & 1)} // never 2, which is ours
	case k == 2:
		size = codec.MaxPayload
	case k < 6:
		size = 2000 + int(h>>40&4095)
	default:
		size = 8 + int(h>>40&255)
	}
	payload := make([]byte, 0, size+8)
	for x := h; len(payload) < size; {
		payload = append(payload, byte(x), byte(x>>8), byte(x>>16), byte(x>>24), byte(x>>32), byte(x>>40), byte(x>>48), byte(x>>56))
		x = x*0x9e3779b97f4a7c15 + 1
	}
	return payload[:size]
}
