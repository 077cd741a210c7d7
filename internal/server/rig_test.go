package server

import (
	"bytes"
	"cmp"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/store"
)

const ms = time.Millisecond

// rig is a Server over a memory store, between sockets that only remember.
type rig struct {
	*Server
	*front.Front
	t       testing.TB
	now     time.Duration
	store   *store.Memory
	pool    *buffer.Pool
	held    bool   // of each Write
	got     []byte // what was written to client 1 and not yet taken
	closed  bool
	drops   []front.Reason
	evicted int
}

func newRig(t testing.TB, config Config, sessions int) *rig {
	t.Helper()
	store, err := store.NewMemory(store.Config{MaxSessions: sessions})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, store: store, pool: buffer.NewPool(1 << 20)}
	config.Idle = cmp.Or(config.Idle, deadline.Never)
	r.Server = New(config, store, r, r.pool, r)
	r.Front = r.Server.Front()
	r.Opened(1, 0)
	t.Cleanup(func() {
		if !r.closed {
			r.Ended(1, r.now)
		}
		if r.pool.Lent() != 0 || r.Busy() != 0 || r.Front.Deadline() != deadline.Never {
			t.Errorf("at the end: %d bytes lent, %d busy, something due at %v", r.pool.Lent(), r.Busy(), r.Front.Deadline())
		}
		if left := bytes.TrimLeft(r.payload[:cap(r.payload)], "\x00"); len(left) > 0 {
			t.Errorf("at the end: got %.40q in the buffer of payloads, want it wiped", left)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// Write, Close and Resume implement front.Sockets.
func (r *rig) Write(_ int, b []byte) (held bool, err error) {
	r.got = append(r.got, b...)
	return r.held, nil
}

func (r *rig) Close(int)  { r.closed = true }
func (r *rig) Resume(int) {}

// WriteParted is Write: who reads at once needs no more.
func (r *rig) WriteParted(c int, b []byte, _ int) (bool, error) { return r.Write(c, b) }

// EndTurn does nothing: a memory store answers at once.
func (r *rig) EndTurn() {}

// Deadline, Expire and TurnEnded are the Server's, which calls the Front's.
func (r *rig) Deadline() time.Duration     { return r.Server.Deadline() }
func (r *rig) Expire(now time.Duration)    { r.Server.Expire(now) }
func (r *rig) TurnEnded(now time.Duration) { r.Server.TurnEnded(now) }

// Unread never becomes less before all has been read.
func (r *rig) Unread(int) int { return 0 }

// ClientDropped and Evicted implement Observer.
func (r *rig) ClientDropped(_ int, why front.Reason, _ error, _ time.Duration) {
	r.drops = append(r.drops, why)
}

func (r *rig) Evicted(sessions int, _ store.Full, _ time.Duration) { r.evicted += sessions }

func (r *rig) Progress(uint64) {}

// send lets client 1 send b in pieces of at most size bytes, until it is not read from
// any more. It gives how many bytes were taken.
func (r *rig) send(b []byte, size int) int {
	taken := 0
	for taken < len(b) && !r.closed {
		buf := r.Buffer(1)
		if len(buf) == 0 {
			break
		}
		n := copy(buf, b[taken:min(len(b), taken+size)])
		taken += n
		r.Received(1, buf[:n], r.now)
	}
	return taken
}

// take gives what client 1 got since.
func (r *rig) take() []byte {
	got := r.got
	r.got = nil
	return got
}

// do asks one thing and gives the answer's payload.
func (r *rig) do(op codec.Op, payload []byte) string {
	r.t.Helper()
	r.send(codec.AppendMessage(nil, codec.Request, 9, op, payload), 1<<20)
	got := r.take()
	a := codec.NewAssembler(codec.Response)
	m, err := a.Next(got)
	if err != nil || len(m.Wire) != len(got) || m.UID != 9 || m.Op != op {
		r.t.Fatalf("got %x, %v, as the answer to a %v", got, err, op)
	}
	return string(m.Payload(nil))
}

// mustStatus compares the status that op gives with want.
func (r *rig) mustStatus(op codec.Op, payload []byte, want codec.Status) {
	r.t.Helper()
	if got := r.do(op, payload); len(got) != 1 || codec.Status(got[0]) != want {
		r.t.Errorf("%v: got %x, want %v", op, got, want)
	}
}

// add is the payload of an ADD.
func add(id, data string, timeout time.Duration) []byte {
	return codec.AppendAdd(nil, codec.Add{Timeout: timeout, ID: []byte(id), Data: []byte(data)})
}
