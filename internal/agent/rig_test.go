package agent

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/upstream"
)

// rig is an Agent whose clients and connection only remember.
type rig struct {
	*Agent
	*front.Front
	t       testing.TB
	now     time.Duration
	pool    *buffer.Pool
	wire    *wire
	got     map[int][]byte // by client: what was written to it and not yet taken
	closed  map[int]bool
	drops   []front.Reason
	changes []upstream.State
}

// wire is the rig's upstream.Transport.
type wire struct {
	rig     *rig
	link    *upstream.Link
	dials   int
	closes  int
	written []byte
}

func (w *wire) Drive(l *upstream.Link) { w.link = l }
func (w *wire) Dial()                  { w.dials++ }
func (w *wire) Close()                 { w.closes++ }

func (w *wire) Write(b []byte) (int, error) {
	w.written = append(w.written, b...)
	return len(b), nil
}

const (
	testTimeout = 200 * ms
	testRetry   = 5 * time.Second
	testWindow  = 4
)

func testConfig() Config {
	return Config{
		Server: upstream.Config{
			MaxInFlight: 100, MaxBatch: 1 << 20,
			Timeout: testTimeout, Retry: testRetry, Random: func(b []byte) { clear(b) },
		},
		Window: testWindow, Gets: 2, Idle: deadline.Never,
	}
}

// newRig is a started agent that has no connection yet.
func newRig(t testing.TB, config Config) *rig {
	r := &rig{t: t, pool: buffer.NewPool(1 << 20), got: map[int][]byte{}, closed: map[int]bool{}}
	r.wire = &wire{rig: r}
	r.start(config, r.wire)
	return r
}

// start makes the agent, whose connection is over w, and starts it.
func (r *rig) start(config Config, w upstream.Transport) {
	r.Agent = newSingle(config, w, r)
	r.Front = r.Agent.AddFront(front.NewDistcache(), r, r.pool)
	r.Start(0)
}

// newSingle is an agent with one server, behind t.
func newSingle(config Config, t upstream.Transport, o interface {
	Observer
	upstream.Watcher
}) *Agent {
	a := New(config, o)
	a.Arrange([]string{"one"}, func(string) upstream.Spec {
		return upstream.Spec{Name: "one", Config: config.Server, Transport: t, Watcher: o}
	}, 0)
	return a
}

// Server is the dc_server that serves, or served last.
func (a *Agent) Server() *upstream.Server { return a.servers.Target() }

// upRig is one whose connection is up.
func upRig(t testing.TB, config Config) *rig {
	r := newRig(t, config)
	r.comeUp()
	return r
}

// downRig is one whose first attempt has failed.
func downRig(t testing.TB, config Config) *rig {
	r := newRig(t, config)
	r.Link().Broken(upstream.ErrClosed, 0)
	return r
}

func (r *rig) comeUp() {
	r.t.Helper()
	r.Link().Connected(r.now)
	r.wire.written = nil
	r.reply(codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
	if r.Link().State() != upstream.Up {
		r.t.Fatalf("got the link %v, want up", r.Link().State())
	}
}

// Write, Close and Resume implement front.Sockets.
func (r *rig) Write(c int, b []byte) (held bool, err error) {
	r.got[c] = append(r.got[c], b...)
	return false, nil
}

// EndTurn does nothing: each step of a test ends with the end of a turn.
func (r *rig) EndTurn() {}

// Deadline, Expire and TurnEnded are the Agent's, which calls the Front's; so is Busy.
func (r *rig) Deadline() time.Duration     { return r.Agent.Deadline() }
func (r *rig) Expire(now time.Duration)    { r.Agent.Expire(now) }
func (r *rig) TurnEnded(now time.Duration) { r.Agent.TurnEnded(now) }
func (r *rig) Busy() int                   { return r.Agent.Busy() }

// Link and Mux are the parts of the agent's Server.
func (r *rig) Link() *upstream.Link { return r.Server().Link() }
func (r *rig) Mux() *upstream.Mux   { return r.Server().Mux() }

func (r *rig) Close(c int) { r.closed[c] = true }
func (r *rig) Resume(int)  {}

// WriteParted is Write: who reads at once needs no more.
func (r *rig) WriteParted(c int, b []byte, _ int) (bool, error) { return r.Write(c, b) }

// Unread never becomes less before all has been read.
func (r *rig) Unread(int) int { return 0 }

// move has the one server moved to the one behind t.
func (r *rig) move(t upstream.Transport, ended func(bool, time.Duration)) {
	r.Move(r.Servers().Members()[0], upstream.Spec{Config: r.config.Server, Transport: t, Watcher: r}, ended, r.now)
}

// LinkChanged implements upstream.Watcher; ServingChanged and ClientDropped implement Observer.
func (r *rig) LinkChanged(_, to upstream.State, _ error, _ time.Duration) {
	r.changes = append(r.changes, to)
}

func (r *rig) ServingChanged(_, _ *upstream.Member, _ time.Duration) {}

func (r *rig) ClientDropped(_ int, why front.Reason, _ error, _ time.Duration) {
	r.drops = append(r.drops, why)
}

// come lets clients come, under these numbers.
func (r *rig) come(clients ...int) {
	for _, c := range clients {
		delete(r.closed, c)
		r.Opened(c, r.now)
	}
}

// send lets client c send b, and ends the turn.
func (r *rig) send(c int, b []byte) {
	r.t.Helper()
	for len(b) > 0 && !r.closed[c] {
		buf := r.Buffer(c)
		if len(buf) == 0 {
			r.t.Fatalf("client %d is not read from, with %d bytes left", c, len(b))
		}
		n := copy(buf, b)
		b = b[n:]
		r.Received(c, buf[:n], r.now)
	}
	r.TurnEnded(r.now)
}

// ask lets client c send a GET under uid.
func (r *rig) ask(c int, uid uint32, payload string) {
	r.t.Helper()
	r.send(c, codec.AppendMessage(nil, codec.Request, uid, codec.OpGet, []byte(payload)))
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
		r.TurnEnded(r.now)
	}
	r.now = now
}

// seen gives what dc_server was sent since.
func (r *rig) seen() []codec.Message {
	r.t.Helper()
	var all []codec.Message
	var a codec.Assembler
	for len(r.wire.written) > 0 {
		m, err := a.Next(r.wire.written)
		if err != nil {
			r.t.Fatalf("dc_server got %v", err)
		}
		all = append(all, m)
		r.wire.written = r.wire.written[len(m.Wire):]
	}
	return all
}

// seenOne gives the one request that dc_server was sent since.
func (r *rig) seenOne() codec.Message {
	r.t.Helper()
	all := r.seen()
	if len(all) != 1 {
		r.t.Fatalf("dc_server got %d requests, want 1", len(all))
	}
	return all[0]
}

// reply brings bytes from dc_server.
func (r *rig) reply(b []byte) {
	for len(b) > 0 {
		n := copy(r.Link().Buffer(), b)
		b = b[n:]
		r.Link().Received(n, r.now)
	}
	r.TurnEnded(r.now)
}

// answer brings the answer to the request that dc_server saw as m.
func (r *rig) answer(m codec.Message, payload string) {
	r.reply(codec.AppendMessage(nil, codec.Response, m.UID, m.Op, []byte(payload)))
}

// mustGet compares what client c got since with the one answer to a GET.
func (r *rig) mustGet(c int, uid uint32, payload string) {
	r.t.Helper()
	r.mustGetBytes(c, codec.AppendMessage(nil, codec.Response, uid, codec.OpGet, []byte(payload)))
}

func (r *rig) mustGetBytes(c int, want []byte) {
	r.t.Helper()
	if got := r.got[c]; string(got) != string(want) {
		r.t.Errorf("client %d got %.80x, want %.80x", c, got, want)
	}
	r.got[c] = nil
}

func (r *rig) mustGetNothing(c int) { r.t.Helper(); r.mustGetBytes(c, nil) }

// disconnected is the payload of the answer where there is none.
const disconnected = "\x02"
