package front

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
)

// rig is a Front between sockets and a daemon that do as they are told.
type rig struct {
	*Front
	t    *testing.T
	now  time.Duration
	pool *buffer.Pool

	// The sockets.
	held     bool  // of each Write
	fails    error // of each Write
	writes   [][]byte
	closed   []int
	resumed  []int
	onWrite  func()
	resume   func(c int) // called from within Resume
	unread   int         // what Unread gives
	turnEnds int         // how often EndTurn was called

	// The daemon.
	mode  mode
	asked []string // payloads, as they were requested
	last  codec.Message
	asker Asker // who asked last
	drops []Reason
}

// mode is what the daemon does with a request.
type mode uint8

const (
	answers mode = iota // at once, with the request's own payload
	waits               // takes it, and answers when the test does
	parks               // wants it later
)

var errTest = errors.New("as the test wants it")

const idleTime = 10 * time.Second

func newRig(t *testing.T) *rig { return newRigWith(t, idleTime, 1<<20) }

func newRigWith(t *testing.T, idle time.Duration, memory int) *rig {
	r := &rig{t: t, pool: buffer.NewPool(memory)}
	r.Front = New(Config{Window: 1, Gets: 1, Ordered: true, Idle: idle}, NewDistcache(), r, r, r.pool)
	t.Cleanup(r.mustBeEmpty)
	return r
}

// newWindowRig is one whose clients may have several requests open.
func newWindowRig(t *testing.T, window int, ordered bool) *rig {
	r := newRig(t)
	r.Front = New(Config{Window: window, Gets: window, Ordered: ordered, Idle: idleTime}, NewDistcache(), r, r, r.pool)
	return r
}

// mustBeEmpty ends who is left, and looks for what remains.
func (r *rig) mustBeEmpty() {
	for c := range r.clients {
		if r.clients[c].phase != absent {
			r.Failed(c, errTest, r.now)
		}
	}
	if r.pool.Lent() != 0 || r.Busy() != 0 || r.Deadline() != deadline.Never {
		r.t.Errorf("at the end: %d bytes lent, %d busy, something due at %v", r.pool.Lent(), r.Busy(), r.Deadline())
	}
	r.mustBeWiped()
}

// mustBeWiped holds that no byte of a request or of an answer is left in the buffers.
func (r *rig) mustBeWiped() {
	r.t.Helper()
	for what, memory := range map[string][]byte{"requests": r.in, "answers": r.out[:cap(r.out)]} {
		if left := bytes.TrimLeft(memory, "\x00"); len(left) > 0 {
			r.t.Errorf("got %.40q in the buffer of %s, want it wiped", left, what)
		}
	}
}

// Write, Close and Resume implement Sockets.
func (r *rig) Write(c int, b []byte) (held bool, err error) {
	if slices.Contains(r.closed, c) {
		r.t.Errorf("client %d is written to after its end", c)
	}
	r.writes = append(r.writes, slices.Clone(b))
	if r.onWrite != nil {
		r.onWrite()
	}
	return r.held, r.fails
}

func (r *rig) Close(c int) { r.closed = append(r.closed, c) }

// WriteParted is two writes.
func (r *rig) WriteParted(c int, b []byte, at int) (held bool, err error) {
	_, _ = r.Write(c, b[:at])
	return r.Write(c, b[at:])
}

// Unread tells what the test says.
func (r *rig) Unread(int) int { return r.unread }

func (r *rig) Resume(c int) {
	r.resumed = append(r.resumed, c)
	if r.resume != nil {
		r.resume(c)
	}
}

func (r *rig) EndTurn() { r.turnEnds++ }

// block is what happens when an answer to c is held.
func (r *rig) block(c int) {
	d := &r.clients[c]
	d.blocked, d.seldom().owed = true, int32(r.unread)
	r.update(c, r.now)
}

// Arriving, Request and Dropped implement Requests.
func (r *rig) Arriving([]Incoming) {}

func (r *rig) Request(a Asker, m *codec.Message, now time.Duration) bool {
	payload := string(m.Payload(nil))
	r.asked = append(r.asked, payload)
	r.last, r.asker = *m, a
	r.last.Wire = slices.Clone(m.Wire)
	switch r.mode {
	case parks:
		return false
	case answers:
		r.Append(a, codec.AppendMessage(r.Batch(a, now), codec.Response, m.UID, m.Op, []byte(payload)), now)
	}
	return true
}

func (r *rig) Dropped(_ int, why Reason, _ error, _ time.Duration) { r.drops = append(r.drops, why) }

// come lets clients come.
func (r *rig) come(clients ...int) {
	for _, c := range clients {
		r.closed = slices.DeleteFunc(r.closed, func(other int) bool { return other == c })
		r.Opened(c, r.now)
	}
}

// send lets b come from c, in pieces of at most size bytes. It gives how many bytes
// were taken: all, unless c is not read from any more.
func (r *rig) send(c int, b []byte, size int) int {
	taken := 0
	for taken < len(b) && !slices.Contains(r.closed, c) {
		buf := r.Buffer(c)
		if len(buf) == 0 {
			break
		}
		n := copy(buf, b[taken:min(len(b), taken+size)])
		taken += n
		r.Received(c, buf[:n], r.now)
	}
	return taken
}

// mustSend sends all of b at once.
func (r *rig) mustSend(c int, b []byte) {
	r.t.Helper()
	if got := r.send(c, b, len(b)); got != len(b) {
		r.t.Errorf("client %d: %d of %d bytes were taken", c, got, len(b))
	}
}

// reply gives client c's first open request its answer.
func (r *rig) reply(c int) {
	r.Answer(Asker{Client: int32(c), Seq: r.clients[c].seq}, answerTo(string(r.last.Payload(nil))), r.now)
}

// at moves the clock on, with each deadline met.
func (r *rig) at(now time.Duration) {
	r.t.Helper()
	for n, due := 0, r.Deadline(); due <= now; n, due = n+1, r.Deadline() {
		if n > 1000 {
			r.t.Fatalf("the deadline stays at %v: the loop spins", due)
		}
		r.now = max(r.now, due)
		r.Expire(r.now)
	}
	r.now = now
}

// get is a request, answerTo its answer by the rig's daemon.
func get(payload string) []byte {
	return codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, []byte(payload))
}

func answerTo(payload string) []byte {
	return codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, []byte(payload))
}

func (r *rig) mustAsk(want ...string) {
	r.t.Helper()
	if !slices.Equal(r.asked, want) {
		r.t.Errorf("the daemon was asked %.60q, want %.60q", r.asked, want)
	}
	r.asked = nil
}

// mustWrite compares what was written since, each want being the answers in one write.
func (r *rig) mustWrite(want ...[]byte) {
	r.t.Helper()
	if !slices.EqualFunc(r.writes, want, slices.Equal) {
		r.t.Errorf("got the writes %.60x, want %.60x", r.writes, want)
	}
	r.writes = nil
}

// mustDrop compares who was dropped since, and why, with want.
func (r *rig) mustDrop(want ...Reason) {
	r.t.Helper()
	if !slices.Equal(r.drops, want) || len(r.closed) != len(want) {
		r.t.Errorf("got the drops %v and closed %v, want %v", r.drops, r.closed, want)
	}
	r.drops, r.closed = nil, nil
}
