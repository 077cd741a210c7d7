package upstream

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"testing"
	"time"

	"distcache/codec"
)

// rig is a Link with a Transport, a Watcher and Answers that only remember.
type rig struct {
	*Link
	*recorder
	t *testing.T

	dials, closes, turns int
	written              []byte
	takes                int   // of one Write, in bytes; -1: all
	writeErr             error // of the next Write

	changes []change
	random  uint64 // what Random gives
}

type change struct {
	from, to State
	why      error
}

var errTest = errors.New("as the test wants it")

// newRig is a rig with a retry of 5 s, no jitter, and a timeout of 200 ms. Its mux has
// a large batch.
func newRig(t *testing.T) *rig { return newRigWith(t, 200*ms) }

func newRigWith(t *testing.T, timeout time.Duration) *rig {
	r := &rig{t: t, recorder: &recorder{}, takes: -1}
	config := Config{MaxInFlight: 100, MaxBatch: 1 << 20, Timeout: timeout, Retry: 5 * time.Second, Random: r.fill,
		EndTurn: func() { r.turns++ }}
	if server := New(config, r, r.recorder, r); r.Link != server.link {
		t.Fatal("New does not give the transport its link")
	}
	return r
}

func (r *rig) fill(b []byte) {
	for i := range b {
		b[i] = byte(i)
	}
	if len(b) == 8 {
		binary.BigEndian.PutUint64(b, r.random)
	}
}

// Drive, Dial, Write and Close implement Transport.
func (r *rig) Drive(l *Link) { r.Link = l }
func (r *rig) Dial()         { r.dials++ }
func (r *rig) Close()        { r.closes++ }

func (r *rig) Write(b []byte) (int, error) {
	if err := r.writeErr; err != nil {
		r.writeErr = nil
		return 0, err
	}
	n := len(b)
	if r.takes >= 0 {
		n = min(n, r.takes)
	}
	r.written = append(r.written, b[:n]...)
	return n, nil
}

// LinkChanged implements Watcher.
func (r *rig) LinkChanged(from, to State, why error, _ time.Duration) {
	if r.State() != to {
		r.t.Errorf("told of %v while in %v", to, r.State())
	}
	r.changes = append(r.changes, change{from, to, why})
}

// mustChange compares the changes since the last call with want.
func (r *rig) mustChange(want ...change) {
	r.t.Helper()
	same := func(a, b change) bool { return a.from == b.from && a.to == b.to && errors.Is(a.why, b.why) }
	if !slices.EqualFunc(r.changes, want, same) {
		r.t.Errorf("got the changes %v, want %v", r.changes, want)
	}
	r.changes = nil
}

// up brings the link Up, started at now.
func (r *rig) up(now time.Duration) {
	r.t.Helper()
	r.Start(now)
	r.comeUp(now)
}

// comeUp lets the attempt under way succeed.
func (r *rig) comeUp(now time.Duration) {
	r.t.Helper()
	r.Connected(now)
	probe := r.sent()
	if len(probe) != 1 || probe[0].Op != codec.OpHave {
		r.t.Fatalf("got %v written first, want a HAVE", probe)
	}
	r.bring(reply(probe[0].UID, codec.OpHave, "\x01").Wire, now)
	if r.State() != Up {
		r.t.Fatalf("got %v after the probe was answered, want up", r.State())
	}
	r.changes = nil
}

// sent gives the whole requests written since.
func (r *rig) sent() []codec.Message {
	r.t.Helper()
	var all []codec.Message
	var a codec.Assembler
	for len(r.written) > 0 {
		m, err := a.Next(r.written)
		if err != nil {
			r.t.Fatalf("got %v in what was written", err)
		}
		all = append(all, m)
		r.written = r.written[len(m.Wire):]
	}
	return all
}

// bring lets bytes come from dc_server, as many at a time as there is room for.
func (r *rig) bring(b []byte, now time.Duration) {
	for len(b) > 0 && r.State() >= Probing {
		n := copy(r.Buffer(), b)
		b = b[n:]
		r.Received(n, now)
		r.mustBeWiped()
	}
}

// mustBeWiped holds that of what was read only the beginning of an answer is left.
func (r *rig) mustBeWiped() {
	r.t.Helper()
	behind := r.in[len(r.in):cap(r.in)]
	if left := len(behind) - bytes.Count(behind, []byte{0}); left > 0 {
		r.t.Errorf("got %d bytes left behind the %d that are to be delivered, want them wiped", left, len(r.in))
	}
	if r.State() == Down && len(r.in) > 0 {
		r.t.Errorf("got %d bytes left of a connection that has ended, want none", len(r.in))
	}
}

// ask submits a GET for owner and sends it.
func (r *rig) ask(owner int, payload string, now time.Duration) {
	r.t.Helper()
	mustSubmit(r.t, r.mux, owner, uint32(owner), payload, now)
	r.Flush(now)
}

// mustHave compares the answers since with want.
func (r *rig) mustHave(want ...answer) { r.t.Helper(); r.recorder.mustHave(r.t, want...) }

// got is the answer to what ask asked for owner.
func got(owner int, payload string) answer {
	return answer{owner, uint32(owner), codec.OpGet, payload}
}
