package agent

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/upstream"
)

// memWorld is one life of an agent whose clients speak memcached's protocols: a dc_server that
// keeps sessions, answers in any order and sometimes fails, and the clock.
//
// Without faults each key behaves as one register does: there is one order of the operations, in
// which each lies between its request and its answer. With faults a session is that of its key.
type memWorld struct {
	rng    *rand.Rand
	trace  *strings.Builder
	broken string
	faults bool
	now    time.Duration
	tick   int // counts events
	agent  *Agent
	front  *front.Front
	pool   *buffer.Pool

	clients [3]*memClient
	ops     []*memOp
	values  map[string]string // value to key, of all that were stored

	link    *upstream.Link
	up      bool
	in      []byte
	inbox   []codec.Message
	outbox  []memAnswer
	store   map[string][]byte
	turn    bool
	replies int
	cached  bool
}

// memOp is an operation of a client.
type memOp struct {
	kind       string // get, set, add, delete, noop
	key, value string
	quiet      bool
	client     *memClient // whose operations happen in their order
	asked      int        // when its request was written
	answered   int        // when its answer came, or never
	result     string
	lost       bool // its client has left: it may not have happened
}

const never = 1 << 30

// memClient is a client's program and its socket.
type memClient struct {
	w       *memWorld
	number  int
	binary  bool
	unread  []byte
	paused  bool
	blocked bool
	waiting []*memOp // for their answers
	in      []byte
	gone    bool
}

func newMemWorld(rng *rand.Rand, trace *strings.Builder) *memWorld {
	w := &memWorld{rng: rng, trace: trace, faults: rng.IntN(2) == 0, values: map[string]string{}, store: map[string][]byte{}}
	w.pool = buffer.NewPool(8 << 20)
	config := Config{
		Server: upstream.Config{MaxInFlight: 64, MaxBatch: 256 << 10, Timeout: 200 * ms, Retry: 50 * ms, Random: func(b []byte) { clear(b) },
			EndTurn: func() { w.turn = true }},
		Window: 1 + rng.IntN(20), Gets: 1 + rng.IntN(4), Idle: deadline.Never,
	}
	if w.cached = w.roll(30); w.cached {
		config.Cache = newTestCache()
	}
	w.agent = newSingle(config, w, w)
	wire := memcached.New(memcached.Config{Gets: w.agent.config.Gets, UnixNow: func() int64 { return 0 },
		Uptime: func() time.Duration { return 0 }, Share: func(*memcached.Counters) {},
		Sum: func() (memcached.Counters, int) { return memcached.Counters{}, 1 }}, w.pool)
	w.front = w.agent.AddMemcached(wire, memSockets{w}, w.pool)
	return w
}

func (w *memWorld) note(format string, args ...any) {
	if w.trace != nil {
		fmt.Fprintf(w.trace, "%8d %10v  %s\n", w.tick, w.now, fmt.Sprintf(format, args...))
	}
}

func (w *memWorld) must(holds bool, format string, args ...any) {
	if !holds {
		w.broken = fmt.Sprintf(format, args...)
		w.note("BROKEN: %s", w.broken)
		panic(violation{})
	}
}

func (w *memWorld) roll(percent int) bool { return w.rng.IntN(100) < percent }

// Drive, Dial, Close and Write implement upstream.Transport.
func (w *memWorld) Drive(l *upstream.Link) { w.link = l }
func (w *memWorld) Dial()                  {}
func (w *memWorld) Close()                 { w.up, w.in, w.inbox, w.outbox = false, nil, nil, nil }

func (w *memWorld) Write(b []byte) (int, error) {
	w.in = append(w.in, b...)
	var a codec.Assembler
	for {
		m, err := a.Next(w.in)
		if err == codec.ErrShort {
			return len(b), nil
		}
		w.must(err == nil, "dc_server got %v", err)
		w.inbox = append(w.inbox, codec.Message{Wire: bytes.Clone(m.Wire), UID: m.UID, Op: m.Op, PayloadLen: m.PayloadLen})
		w.in = w.in[len(m.Wire):]
	}
}

// ServingChanged implements Observer: there is one server.
func (w *memWorld) ServingChanged(_, _ *upstream.Member, _ time.Duration) {}

// LinkChanged implements upstream.Watcher, and ClientDropped Observer.
func (w *memWorld) LinkChanged(_, to upstream.State, why error, _ time.Duration) {
	w.note("link %v: %v", to, why)
}

func (w *memWorld) ClientDropped(c int, why front.Reason, err error, _ time.Duration) {
	w.must(w.clients[c].gone, "client %d was dropped: %v, %v", c, why, err)
}

// serve carries out the oldest request.
func (w *memWorld) serve() {
	if len(w.inbox) == 0 {
		return
	}
	m := w.inbox[0]
	w.inbox = w.inbox[1:]
	payload := m.Payload(nil)
	answer := []byte{byte(codec.StatusNotOK)}
	switch m.Op {
	case codec.OpAdd:
		add, status := codec.ParseAdd(payload)
		w.must(status == codec.StatusOK, "dc_server got an ADD that is %v", status)
		if _, there := w.store[string(add.ID)]; there {
			status = codec.StatusAddExists
		} else {
			w.store[string(add.ID)] = bytes.Clone(add.Data)
		}
		answer[0] = byte(status)
	case codec.OpGet:
		if value, there := w.store[string(payload)]; there {
			answer = value
		}
	default:
		if _, there := w.store[string(payload)]; there {
			answer[0] = byte(codec.StatusOK)
		}
		if m.Op == codec.OpRemove {
			delete(w.store, string(payload))
		}
	}
	w.note("dc_server: %v %x", m.Op, payload[:min(len(payload), 60)])
	if w.faults && w.roll(4) {
		w.note("forgotten")
		return
	}
	w.outbox = append(w.outbox, memAnswer{string(m.SessionID()), codec.AppendMessage(nil, codec.Response, m.UID, m.Op, answer)})
}

// memAnswer is an answer of dc_server on its way.
type memAnswer struct {
	id   string
	wire []byte
}

// deliver brings one answer, any of them; where there is a cache, those for one ID come in their order, as they do.
func (w *memWorld) deliver() {
	if len(w.outbox) == 0 {
		return
	}
	i := w.rng.IntN(len(w.outbox))
	if w.cached {
		id := w.outbox[i].id
		i = slices.IndexFunc(w.outbox, func(a memAnswer) bool { return a.id == id })
	}
	answer := w.outbox[i].wire
	w.outbox = append(w.outbox[:i], w.outbox[i+1:]...)
	for len(answer) > 0 && w.up {
		n := copy(w.link.Buffer(), answer)
		answer = answer[n:]
		w.link.Received(n, w.now)
	}
}

func (w *memWorld) connect() {
	if !w.up && w.link.State() == upstream.Connecting {
		w.up = true
		w.link.Connected(w.now)
	}
}

func (w *memWorld) pass(d time.Duration) {
	for until := w.now + d; ; {
		w.endTurn()
		due := w.agent.Deadline()
		if due > until {
			w.now = until
			return
		}
		w.now = max(w.now, due)
		w.agent.Expire(w.now)
		w.turn = true
	}
}

func (w *memWorld) endTurn() {
	for w.turn {
		w.turn = false
		w.agent.TurnEnded(w.now)
	}
}

// memSockets implements front.Sockets.
type memSockets struct{ w *memWorld }

func (s memSockets) Write(c int, b []byte) (held bool, err error) {
	client := s.w.clients[c]
	if client.gone {
		return false, errReset
	}
	client.receive(b)
	if !client.blocked && s.w.roll(5) {
		client.blocked = true
	}
	return client.blocked, nil
}

func (s memSockets) WriteParted(c int, b []byte, _ int) (bool, error) { return s.Write(c, b) }
func (s memSockets) Unread(int) int                                   { return 1 }
func (s memSockets) Resume(c int)                                     { s.w.clients[c].paused = false }
func (s memSockets) EndTurn()                                         { s.w.turn = true }
func (s memSockets) Close(c int) {
	client := s.w.clients[c]
	s.w.must(client.gone, "client %d was closed", c)
	for _, op := range client.waiting {
		op.lost = true
	}
	s.w.clients[c] = nil
}

func (w *memWorld) come(n int) {
	w.clients[n] = &memClient{w: w, number: n, binary: w.roll(50)}
	w.front.Opened(n, w.now)
}

// ask writes a request.
func (c *memClient) ask() {
	w := c.w
	keys := [...]string{"mod_ssl-sess:00112233", "other", "h2o:ssl-session-cache:AAAA"}
	op := &memOp{kind: [...]string{"get", "get", "get", "set", "set", "add", "delete", "noop"}[w.rng.IntN(8)],
		key: keys[w.rng.IntN(len(keys))], client: c, asked: w.tick, answered: never}
	size := [...]int{8, 160, 2000, 5000, 17_000}[min(w.rng.IntN(40), 4)]
	op.value = fmt.Sprintf("%08d%s", len(w.ops), strings.Repeat("v", size))
	op.quiet = op.kind == "set" && w.roll(30)
	if op.kind == "set" || op.kind == "add" {
		w.values[op.value] = op.key
	}
	w.ops = append(w.ops, op)
	c.unread = append(c.unread, c.request(op)...)
	if !op.quiet {
		c.waiting = append(c.waiting, op)
	}
	w.note("client %d: %s %s, %d bytes, quiet %v, binary %v", c.number, op.kind, op.key, len(op.value), op.quiet, c.binary)
}

func (c *memClient) request(op *memOp) []byte {
	if !c.binary {
		switch op.kind {
		case "noop":
			return []byte("version\r\n")
		case "get", "delete":
			return []byte(op.kind + " " + op.key + "\r\n")
		}
		noreply := ""
		if op.quiet {
			noreply = " noreply"
		}
		return fmt.Appendf(nil, "%s %s 0 60 %d%s\r\n%s\r\n", op.kind, op.key, len(op.value), noreply, op.value)
	}
	opcode := map[string]byte{"get": 0x0c, "set": 1, "add": 2, "delete": 4, "noop": 10}[op.kind]
	if op.quiet {
		opcode = 0x11
	}
	b := make([]byte, 24)
	body := op.key
	switch op.kind {
	case "noop":
		body = ""
	case "set", "add":
		b[4] = 8
		body = "\x00\x00\x00\x00\x00\x00\x00\x3c" + op.key + op.value
	}
	b[0], b[1] = 0x80, opcode
	if body != "" {
		b[3] = byte(len(op.key))
	}
	binary.BigEndian.PutUint32(b[8:], uint32(len(body)))
	binary.BigEndian.PutUint32(b[12:], uint32(len(c.w.ops)))
	return append(b, body...)
}

// receive reads answers: each is whole, and of the request that waits first.
func (c *memClient) receive(b []byte) {
	w := c.w
	c.in = append(c.in, b...)
	for len(c.in) > 0 {
		w.must(len(c.waiting) > 0, "client %d got %.60q, and asked nothing", c.number, c.in)
		op := c.waiting[0]
		result, n := c.parse(op)
		w.must(n > 0, "client %d got %.60q, which is no answer to %s", c.number, c.in, op.kind)
		c.in, c.waiting = c.in[n:], c.waiting[1:]
		op.result, op.answered = result, w.tick
		w.replies++
		w.note("client %d: answer to %s %s: %.40s", c.number, op.kind, op.key, result)
		if op.kind == "get" && result != "" {
			w.must(w.values[result] == op.key, "client %d got for %s the value %.20q of %q", c.number, op.key, result, w.values[result])
		}
	}
}

// parse gives the result of the first answer and its length: of a get the value, else yes or no.
func (c *memClient) parse(op *memOp) (result string, n int) {
	if c.binary {
		if len(c.in) < 24 || c.in[0] != 0x81 {
			return "", 0
		}
		body := int(binary.BigEndian.Uint32(c.in[8:]))
		status, keyLen, extras := c.in[7], int(c.in[3]), int(c.in[4])
		if len(c.in) < 24+body || c.in[1] != c.request(op)[1] {
			return "", 0
		}
		switch {
		case op.kind == "get" && status == 0:
			return string(c.in[24+extras+keyLen : 24+body]), 24 + body
		case op.kind == "get":
			return "", 24 + body
		}
		return map[byte]string{0: "yes", 1: "no", 2: "no"}[status], 24 + body
	}
	line, _, _ := strings.Cut(string(c.in), "\r\n")
	var key string
	var flags, size int
	if got, _ := fmt.Sscanf(line, "VALUE %s %d %d", &key, &flags, &size); got == 3 && op.kind == "get" && key == op.key {
		end := len(line) + 2 + size
		if len(c.in) >= end+7 && string(c.in[end:end+7]) == "\r\nEND\r\n" {
			return string(c.in[end-size : end]), end + 7
		}
		return "", 0
	}
	results := map[string]string{"get END": "", "set STORED": "yes", "add STORED": "yes", "add NOT_STORED": "no",
		"delete DELETED": "yes", "delete NOT_FOUND": "no", "noop VERSION 1.6.18": "yes"}
	result, ok := results[op.kind+" "+line]
	if !ok {
		return "", 0
	}
	return result, len(line) + 2
}

// beRead brings bytes to the front.
func (c *memClient) beRead() {
	w := c.w
	if c.paused || len(c.unread) == 0 {
		return
	}
	buf := w.front.Buffer(c.number)
	if len(buf) == 0 {
		c.paused = true
		return
	}
	n := copy(buf, c.unread[:1+w.rng.IntN(len(c.unread))])
	c.unread = c.unread[n:]
	w.front.Received(c.number, buf[:n], w.now)
}

func (c *memClient) drain() {
	if c.blocked {
		c.blocked = false
		c.w.front.Drained(c.number, c.w.now)
	}
}

func (c *memClient) leave() {
	c.gone = true
	c.w.note("client %d leaves", c.number)
	c.w.front.Failed(c.number, errReset, c.w.now)
}

// playMemcached plays one life.
func playMemcached(seed uint64, trace *strings.Builder) (w *memWorld) {
	w = newMemWorld(rand.New(rand.NewPCG(seed, 1)), trace)
	defer closeTestCache(w.agent.config.Cache)
	defer func() {
		switch p := recover(); p.(type) {
		case nil, violation:
		default:
			panic(p)
		}
	}()
	w.agent.Start(w.now)
	for range 40 + w.rng.IntN(200) {
		w.step()
		w.tick++
		if w.roll(50) {
			w.endTurn()
		}
	}
	w.settle()
	w.checkOrder()
	for n, c := range w.clients {
		if c != nil {
			w.must(len(c.waiting) == 0, "client %d waits for %d answers at the end", n, len(c.waiting))
			c.leave()
		}
	}
	w.agent.Stop(w.now)
	w.must(!w.cached || w.agent.cache.idle(), "something that concerns the cache is under way at the end")
	w.must(w.pool.Lent() == 0 && w.agent.Busy() == 0, "%d bytes lent and %d busy at the end", w.pool.Lent(), w.agent.Busy())
	return w
}

func (w *memWorld) step() {
	n := w.rng.IntN(len(w.clients))
	c := w.clients[n]
	switch k := w.rng.IntN(20); {
	case k < 2 && c == nil:
		w.come(n)
	case k < 6 && c != nil && len(w.ops) < 24:
		c.ask()
	case k < 10 && c != nil:
		c.beRead()
	case k == 10 && c != nil:
		c.drain()
	case k == 11 && c != nil && w.roll(5):
		c.leave()
	case k < 15:
		w.serve()
	case k < 18:
		w.deliver()
	case k == 18:
		w.connect()
	case w.faults && w.roll(5) && w.up:
		w.link.Broken(upstream.ErrClosed, w.now)
	case w.faults:
		w.pass(time.Duration(w.rng.IntN(60)) * ms)
	default:
		w.pass(time.Duration(w.rng.IntN(200)) * time.Microsecond)
	}
}

// settle serves all until nothing is left.
func (w *memWorld) settle() {
	for range 500 {
		w.tick++
		w.connect()
		for _, c := range w.clients {
			if c != nil {
				c.drain()
				c.beRead()
			}
		}
		for len(w.inbox) > 0 {
			w.serve()
		}
		for len(w.outbox) > 0 {
			w.deliver()
		}
		w.endTurn()
		if !slices.ContainsFunc(w.clients[:], (*memClient).restless) {
			return
		}
		w.pass(50 * ms)
	}
}

// restless reports whether a client has something left to ask or to be told.
func (c *memClient) restless() bool {
	return c != nil && (len(c.unread) > 0 || len(c.waiting) > 0 || c.blocked)
}

// checkOrder looks for an order of the operations on each key.
func (w *memWorld) checkOrder() {
	byKey := map[string][]*memOp{}
	for _, op := range w.ops {
		if op.kind != "noop" {
			byKey[op.key] = append(byKey[op.key], op)
		}
	}
	for key, ops := range byKey {
		if !w.faults && len(ops) < 30 {
			w.must(ordered(ops, 0, "", map[string]bool{}), "no order of the %d operations on %s explains their answers", len(ops), key)
		}
	}
}

// ordered reports whether the operations that are not in done explain their results from here on.
func ordered(ops []*memOp, done uint64, state string, seen map[string]bool) bool {
	at := fmt.Sprint(done, " ", state[:min(8, len(state))])
	if seen[at] {
		return false
	}
	seen[at] = true
	first, left := never, false
	for i, op := range ops {
		if done&(1<<i) == 0 && !op.lost {
			left = true
			first = min(first, op.answered)
		}
	}
	if !left {
		return true
	}
	for i, op := range ops {
		earlier := func(o *memOp) bool { return o.client == op.client }
		if done&(1<<i) != 0 || op.asked > first || slices.ContainsFunc(undone(ops[:i], done), earlier) {
			continue
		}
		if next, ok := op.apply(state); ok && ordered(ops, done|1<<i, next, seen) {
			return true
		}
		if op.lost && ordered(ops, done|1<<i, state, seen) {
			return true
		}
	}
	return false
}

// undone are the operations that are not in done.
func undone(ops []*memOp, done uint64) (left []*memOp) {
	for i, op := range ops {
		if done&(1<<i) == 0 {
			left = append(left, op)
		}
	}
	return left
}

// apply carries the operation out, and reports whether that gives its result.
func (op *memOp) apply(state string) (next string, ok bool) {
	result := op.result
	free := op.answered == never // whatever it gave, nobody knows
	switch op.kind {
	case "get":
		return state, free || result == state
	case "set":
		return op.value, free || result == "yes"
	case "add":
		if state == "" {
			return op.value, free || result == "yes"
		}
		return state, free || result == "no"
	}
	return "", free || (result == "yes") == (state != "")
}
