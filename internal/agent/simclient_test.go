package agent

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"distcache/codec"
	"distcache/upstream"
)

// client is one client's program, and its socket as the kernel has it.
type client struct {
	w      *world
	number int
	life   int

	// The program.
	depth   int  // how many requests it has open at a time
	left    int  // how many more it will write
	uids    int  // how it chooses them
	mute    bool // it has stopped in the middle of something
	written int  // bytes, since it came
	piece   int  // how many bytes at a time arrive, at most

	// The socket.
	unread  []byte // written by the program, not yet read by the agent
	fin     bool   // nothing more will be written
	gone    bool   // nobody reads answers any more
	reset   bool   // the next read fails
	reading bool   // the agent wants to hear of bytes
	blocked bool   // the agent holds answers that the socket does not take
	excuse  string // why the agent may close it
	ended   bool   // the agent knows that nothing more will be written

	// What the agent owes it.
	read      int // bytes that the agent has read
	whole     int // of those, in whole requests
	poison    int // where the first corrupt frame begins, or -1
	queued    []*ask
	owed      []*ask
	partialAt time.Duration // when the first byte of the unfinished request was read
	freeAt    time.Duration // when it came, got its last answer, or had read it
	blockedAt time.Duration
	answers   codec.Assembler
	in        []byte // the beginning of an answer
}

// ask is one whole request.
type ask struct {
	uid       uint32
	op        codec.Op
	digest    uint64        // of the payload as dc_server is to see it
	end       int           // where it ends in the client's stream
	short     bool          // an ADD that is answered here
	tiny      bool          // its payload may be another's too
	forwarded bool          // dc_server has had it
	since     time.Duration // when it can have been taken at the earliest
	closes    int           // how many connections had ended by then
	full      uint64        // how often the Mux had been full when its last byte was read
	due       time.Duration // when it must be answered
}

var errReset = errors.New("connection reset by peer")

func (c *client) String() string { return fmt.Sprintf("client %d (life %d)", c.number, c.life) }

// open lets a client come, under the first number that is free: one that has just been
// given up, more often than not.
func (w *world) open() {
	number := slices.Index(w.clients[:], nil)
	if number < 0 || w.roll(10) { // all places are taken, or -maxclients is less than that
		w.agent.MakeRoom(w.hangUp, w.now)
		number = slices.Index(w.clients[:], nil)
	}
	if number < 0 {
		return
	}
	w.lives++
	c := &client{
		w: w, number: number, life: w.lives,
		depth: pick(w, 1, 1, 2, 10), left: 1 + w.rng.IntN(6), uids: w.rng.IntN(3),
		piece: pick(w, 1, 20, 1000, 100_000, 100_000), reading: true, poison: -1, freeAt: w.now,
		answers: codec.NewAssembler(codec.Response),
	}
	w.clients[number] = c
	w.totals.Clients++
	w.note("%v comes", c)
	w.front.Opened(number, w.now)
}

// hangUp keeps a client from writing more.
func (w *world) hangUp(number int) (silent bool) {
	c := w.clients[number]
	w.must(c != nil, "client %d was hung up on, which is not there", number)
	c.fin = true
	w.note("%v is hung up on, with %d bytes unread", c, len(c.unread))
	if len(c.unread) > 0 {
		c.freeAt = w.now // it is about to ask
	}
	return len(c.unread) == 0
}

// act lets the program write its next request, or something that is none.
func (c *client) act() {
	w := c.w
	if c.mute || c.fin || c.left == 0 || len(c.queued)+len(c.owed) >= c.depth {
		return
	}
	c.left--
	switch k := w.rng.IntN(20); {
	case k == 0:
		c.writeGarbage()
	case k == 1:
		c.writeHalf()
	case k == 2:
		c.write(codec.OpAdd, w.bytes(w.rng.IntN(codec.AddOverhead)))
	default:
		op := codec.Op(w.rng.IntN(codec.NumOps))
		c.write(op, c.payload(op))
	}
	if c.depth > 1 && w.roll(80) {
		c.act() // in the same breath
	}
}

// payload is one that no other request of this history has, but for the smallest.
func (c *client) payload(op codec.Op) []byte {
	w := c.w
	size := pick(w, 0, 5, 40, 40, 40, 220, 220, 2048, 2049, 5000)
	if w.roll(1) {
		size = codec.MaxPayload - w.rng.IntN(2)
	}
	if op == codec.OpAdd {
		size = max(size, codec.AddOverhead)
	}
	return w.bytes(size)
}

// bytes is n bytes: zeros, but for the ends, which are random. So an ADD's timeout is
// sometimes below the floor.
func (w *world) bytes(n int) []byte {
	b := make([]byte, n)
	var canary [8]byte
	binary.BigEndian.PutUint64(canary[:], w.rng.Uint64())
	copy(b[n-min(n, 8):], canary[:])
	if n > 8 {
		binary.BigEndian.PutUint32(b, w.rng.Uint32()>>w.rng.IntN(32))
	}
	return b
}

func (c *client) uid() uint32 {
	switch c.uids {
	case 0:
		return 1
	case 1:
		return uint32(c.left)
	}
	return c.w.rng.Uint32()
}

// write writes one valid request.
func (c *client) write(op codec.Op, payload []byte) {
	w := c.w
	a := &ask{uid: c.uid(), op: op, tiny: len(payload) < 8, short: op == codec.OpAdd && len(payload) < codec.AddOverhead}
	wire := message(a.uid, op, payload, w.roll(10), uint16(w.rng.Uint32()))
	c.send(wire)
	a.end = c.written
	floor := uint32(w.config.MinExpiry / ms)
	if op == codec.OpAdd && !a.short && binary.BigEndian.Uint32(payload) < floor {
		binary.BigEndian.PutUint32(payload, floor)
	}
	a.digest = digest(op, payload)
	if c.poison < 0 {
		c.queued = append(c.queued, a)
		w.asked = append(w.asked, a)
		w.totals.Requests++
	}
	w.note("%v writes %v of %d bytes, uid %d", c, op, len(payload), a.uid)
}

// message is a request in its wire form, with any patch level; a payload of full frames
// may end in an empty one.
func message(uid uint32, op codec.Op, payload []byte, emptyLast bool, patch uint16) []byte {
	wire := make([]byte, 0, codec.MessageSize(len(payload))+codec.HeaderSize)
	h := codec.Header{Patch: patch, UID: uid, Op: op, DataLen: codec.MaxFrameData}
	for len(payload) > codec.MaxFrameData || emptyLast && len(payload) == codec.MaxFrameData {
		wire = append(codec.AppendHeader(wire, h), payload[:codec.MaxFrameData]...)
		payload = payload[codec.MaxFrameData:]
	}
	h.Complete, h.DataLen = true, len(payload)
	return append(codec.AppendHeader(wire, h), payload...)
}

func (c *client) send(b []byte) {
	c.unread = append(c.unread, b...)
	c.written += len(b)
}

// writeHalf writes the beginning of a request, and nothing ever after.
func (c *client) writeHalf() {
	wire := message(c.uid(), codec.OpGet, c.w.bytes(pick(c.w, 0, 40, 2048, 5000)), false, 0)
	c.send(wire[:1+c.w.rng.IntN(len(wire)-1)])
	c.mute = true
	c.w.note("%v writes half a request", c)
}

// writeGarbage writes what is no request from some frame on.
func (c *client) writeGarbage() {
	w := c.w
	at := 0 // where the corrupt frame begins
	wire := message(7, codec.OpGet, w.bytes(pick(w, 40, 5000)), false, 0)
	switch w.rng.IntN(11) {
	case 0:
		wire = []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
	case 1:
		wire[0] = 1
	case 2:
		wire[1]++
	case 3:
		wire[4] = 1 // an answer
	case 4:
		wire[9] = 1 // class
	case 5:
		wire[10] = 4 // operation
	case 6:
		wire[11] = 2 // complete
	case 7:
		binary.BigEndian.PutUint16(wire[12:], codec.MaxFrameData+1)
	case 8:
		wire[11] = 0
		binary.BigEndian.PutUint16(wire[12:], codec.MaxFrameData-1)
	case 9: // the uid changes within a message
		wire = message(7, codec.OpGet, w.bytes(5000), false, 0)
		at = codec.FrameSize * (1 + w.rng.IntN(2))
		wire[at+5]++
	case 10: // over the most a message may carry
		wire = message(7, codec.OpGet, make([]byte, codec.MaxPayload+1), false, 0)
		at = 16 * codec.FrameSize
	}
	if c.poison < 0 {
		c.poison = c.written + at
	}
	c.send(wire)
	w.note("%v writes garbage", c)
}

// leave lets the program close its connection, in one of the ways that there are.
func (c *client) leave() {
	if c.fin || !c.w.roll(30) {
		return
	}
	c.fin = true
	c.gone = c.w.roll(75) // else it closes one way, and reads on
	c.reset = c.gone && c.w.roll(30)
	c.w.note("%v leaves: gone %v, reset %v", c, c.gone, c.reset)
	if c.reset && c.w.roll(50) {
		c.fail()
	}
}

// beRead lets the agent find the socket readable.
func (c *client) beRead() {
	w := c.w
	if !c.reading {
		return
	}
	buf := w.front.Buffer(c.number)
	parked := w.waiting && w.state != upstream.Up && len(c.owed) > 0
	stalled := c.poison >= 0 && c.read > c.poison
	must := !c.blocked && !parked && !stalled && !c.ended && c.inWindow() == len(c.owed) && len(c.owed) < w.config.Window && w.plenty
	mayNot := c.blocked || parked || c.ended
	w.must((len(buf) > 0 || !must) && !(len(buf) > 0 && mayNot), "%v: a buffer of %d bytes, %d requests owed, blocked %v, ended %v",
		c, len(buf), len(c.owed), c.blocked, c.ended)
	switch {
	case len(buf) == 0:
		c.reading = false
	case c.reset:
		c.fail()
	case len(c.unread) > 0:
		c.bring(buf)
	case c.fin:
		c.ended = true
		w.note("%v has ended", c)
		w.front.Ended(c.number, w.now)
		w.must(w.clients[c.number] != c || len(c.owed) > 0, "%v left, is owed nothing and is still there", c)
	}
}

// bring moves bytes from the socket into the agent.
func (c *client) bring(buf []byte) {
	n := min(1+c.w.rng.IntN(c.piece), len(c.unread))
	if len(c.unread) > 300 {
		n = min(len(c.unread), n+c.w.rng.IntN(len(c.unread))) // else this history would have no end
	}
	n = copy(buf, c.unread[:n])
	c.unread = c.unread[n:]
	c.took(n)
	if n > 1 || len(c.owed) > 0 {
		c.w.note("%v is read, %d bytes; %d requests owed", c, n, len(c.owed))
	}
	c.w.front.Received(c.number, buf[:n], c.w.now)
}

// took notes what the agent has now, before it acts on it.
func (c *client) took(n int) {
	before := c.read
	c.read += n
	for len(c.queued) > 0 && c.queued[0].end <= c.read {
		a := c.queued[0]
		c.queued = c.queued[1:]
		c.owed = append(c.owed, a)
		c.whole, a.full = a.end, c.w.agent.Server().Mux().Counters.Full
		a.since, a.closes = c.w.now, c.w.server.closes
	}
	c.setDue(false)
	if before <= c.whole && c.read > c.whole {
		c.partialAt = c.w.now
	}
}

// inWindow is how many of the requests that are owed an answer may be in flight together.
func (c *client) inWindow() int {
	gets := 0
	for n, a := range c.owed {
		if a.op == codec.OpGet {
			gets++
		}
		if n == c.w.config.Window || gets > c.w.config.Gets {
			return n
		}
	}
	return len(c.owed)
}

// setDue notes when the requests that can be in flight now must be answered: those that have no
// such time yet, or all of them.
func (c *client) setDue(all bool) {
	for _, a := range c.owed[:c.inWindow()] {
		if a.due == 0 || all {
			a.due = c.w.due()
		}
	}
}

// drain lets the program read what was held for it.
func (c *client) drain() {
	w := c.w
	if !c.blocked {
		return
	}
	if c.gone {
		c.fail()
		return
	}
	c.blocked, c.freeAt = false, w.now
	c.setDue(true)
	w.note("%v has read what was held", c)
	w.front.Drained(c.number, w.now)
}

// fail lets the socket fail.
func (c *client) fail() {
	c.excuse, c.gone, c.reset = "its socket failed", true, true
	c.w.note("%v fails", c)
	c.w.front.Failed(c.number, errReset, c.w.now)
	c.w.must(c.w.clients[c.number] != c, "%v failed and is still there", c)
}

// Write implements front.Sockets.
func (w *world) Write(number int, b []byte) (held bool, err error) {
	c := w.clients[number]
	w.must(c != nil, "%d bytes written to client %d, which is not there", len(b), number)
	w.must(c.excuse == "", "%d bytes written to %v after it was given up: %s", len(b), c, c.excuse)
	c.receive(b)
	switch {
	case c.gone && w.roll(80), w.roll(1) && !w.calm:
		c.gone, c.excuse = true, "a write failed"
		w.note("%v: the write failed", c)
		return false, errReset
	case c.blocked:
		return true, nil
	case w.roll(7) && !w.calm:
		c.blocked, c.blockedAt = true, w.now
		w.totals.Held++
		w.note("%v is slow: held", c)
		return true, nil
	}
	return false, nil
}

// receive takes answers: each must be what the client waits for next.
func (c *client) receive(b []byte) {
	c.in = append(c.in, b...)
	for len(c.in) > 0 {
		m, err := c.answers.Next(c.in)
		c.w.must(err == nil, "%v got %v instead of an answer", c, err)
		c.in = c.in[len(m.Wire):]
		c.w.must(len(c.owed) > 0, "%v got an answer, uid %d, %v, to nothing", c, m.UID, m.Op)
		a := c.owed[0]
		c.w.note("%v got an answer of %d bytes, uid %d", c, m.PayloadLen, m.UID)
		c.w.must(m.UID == a.uid && m.Op == a.op, "%v got uid %d, %v, for uid %d, %v", c, m.UID, m.Op, a.uid, a.op)
		c.check(a, m)
		c.owed = c.owed[1:]
		c.freeAt = c.w.now
	}
	c.setDue(false)
}

// check holds the payload of an answer against what is owed.
func (c *client) check(a *ask, m codec.Message) {
	w := c.w
	payload := m.Payload(nil)
	status := codec.Status(0xff)
	if len(payload) == 1 {
		status = codec.Status(payload[0])
	}
	switch {
	case a.short:
		w.must(status == codec.StatusAddCorrupt, "%v got %x to an ADD that is too short", c, payload)
		w.totals.ShortAdds++
	case status == codec.StatusDisconnected:
		w.totals.Disconnected++
		w.mayDisconnect(c, a)
	default:
		w.totals.Answers++
		w.must(a.forwarded || a.tiny, "%v got an answer to what was never forwarded", c)
		w.must(bytes.Equal(payload, answerTo(a.digest)), "%v got another's answer, of %d bytes", c, len(payload))
	}
}

// WriteParted implements front.Sockets. Whether it is held depends on the reader, as with Write.
func (w *world) WriteParted(number int, b []byte, _ int) (held bool, err error) {
	return w.Write(number, b)
}

// EndTurn implements front.Sockets.
func (w *world) EndTurn() { w.turnWanted = true }

// Unread never becomes less before all has been read.
func (w *world) Unread(int) int { return 0 }

// Close implements front.Sockets.
func (w *world) Close(number int) {
	c := w.clients[number]
	w.must(c != nil, "client %d was closed, which is not there", number)
	w.must(c.excuse != "" || c.ended && len(c.owed) == 0 && !c.blocked, "%v was closed for no reason", c)
	w.totals.Unseen += uint64(len(c.owed))
	w.note("%v is closed", c)
	w.clients[number] = nil
}

// Resume implements front.Sockets.
func (w *world) Resume(number int) {
	c := w.clients[number]
	w.must(c != nil, "client %d was resumed, which is not there", number)
	if c.reading {
		return
	}
	c.reading = true
	if w.roll(1) && !w.calm {
		c.fail()
	}
}

// mayDisconnect holds whether the request could be given up.
func (w *world) mayDisconnect(c *client, a *ask) {
	switch {
	case w.state != upstream.Up || w.server.state != connected || w.server.closes > a.closes:
	case w.agent.Server().Mux().Counters.Full > a.full:
	default:
		w.must(w.now-a.since >= w.config.Server.Timeout, "%v was given up after %v, with the link up", c, w.now-a.since)
	}
}
