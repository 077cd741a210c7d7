package agent

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/upstream"
)

func TestForward(t *testing.T) {
	for _, payload := range []string{"", "id", strings.Repeat("frame", 1000), strings.Repeat("x", codec.MaxPayload)} {
		r := upRig(t, testConfig())
		r.come(3)
		r.ask(3, 0xdeadbeef, payload)
		m := r.seenOne()
		if m.Op != codec.OpGet || string(m.Payload(nil)) != payload || m.UID == 0xdeadbeef {
			t.Errorf("dc_server got uid %#x, %v, %d bytes, want one of ours, GET, %d bytes", m.UID, m.Op, m.PayloadLen, len(payload))
		}
		r.mustGetNothing(3)
		r.answer(m, "a session "+payload[:min(len(payload), codec.MaxPayload-20)])
		r.mustGet(3, 0xdeadbeef, "a session "+payload[:min(len(payload), codec.MaxPayload-20)])
	}
}

// TestForwardByteByByte gathers a request from pieces; nothing is forwarded before it is whole.
func TestForwardByteByByte(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	wire := codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, []byte(strings.Repeat("data", 600)))
	for i := range wire {
		if len(r.wire.written) > 0 {
			t.Fatalf("something was forwarded after %d of %d bytes", i, len(wire))
		}
		r.send(1, wire[i:i+1])
	}
	if m := r.seenOne(); len(m.Wire) != len(wire) {
		t.Errorf("dc_server got %d bytes, want %d", len(m.Wire), len(wire))
	}
	if got := r.pool.Lent(); got != 0 {
		t.Errorf("got %d bytes lent to a client that has sent all, want 0", got)
	}
}

// TestWholeRequestsBorrowNothing is the hot path: no buffer for what came whole.
func TestWholeRequestsBorrowNothing(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	buf := r.Buffer(1)
	n := len(codec.AppendMessage(buf[:0], codec.Request, 7, codec.OpGet, []byte("id")))
	r.Received(1, buf[:n], 0)
	if got := r.pool.Lent(); got != 0 {
		t.Errorf("got %d bytes lent, want 0", got)
	}
	if &r.Mux().Unsent()[0] != &buf[0] {
		t.Error("the request was copied")
	}
}

// TestPipelinedInOrder forwards what a client pipelines at once, and brings the answers in the
// order of the requests, whatever the order in which dc_server gives them.
func TestPipelinedInOrder(t *testing.T) {
	for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 2, 1}} {
		r := upRig(t, testConfig())
		r.come(1)
		var three, want []byte
		for i := range uint32(3) {
			three = codec.AppendMessage(three, codec.Request, i, codec.OpHave, []byte{byte(i)})
			want = codec.AppendStatus(want, i, codec.OpHave, codec.StatusOK)
		}
		r.send(1, three)
		all := r.seen()
		if len(all) != 3 {
			t.Fatalf("dc_server got %d requests, want 3", len(all))
		}
		for _, i := range order {
			r.answer(all[i], "\x00")
		}
		r.mustGetBytes(1, want)
		if r.pool.Lent() != 0 {
			t.Errorf("%d bytes are lent with all answered", r.pool.Lent())
		}
	}
}

// TestWindow bounds how many requests of a client are in flight; another client is served
// meanwhile, and the rest follows.
func TestWindow(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	var pipeline, want []byte
	for i := range uint32(2*testWindow + 1) {
		pipeline = codec.AppendMessage(pipeline, codec.Request, i, codec.OpHave, []byte{byte(i)})
		want = codec.AppendStatus(want, i, codec.OpHave, codec.StatusOK)
	}
	r.send(1, pipeline)
	r.ask(2, 7, "other")
	if len(r.Buffer(1)) != 0 {
		t.Error("a client with a full window is read from")
	}
	for _, batch := range []int{testWindow + 1, testWindow, 1} {
		all := r.seen()
		if len(all) != batch {
			t.Errorf("dc_server got %d requests, want %d", len(all), batch)
		}
		for _, m := range all {
			r.answer(m, "\x00")
		}
	}
	r.mustGetBytes(1, want)
	r.mustGet(2, 7, "\x00")
	if len(r.Buffer(1)) == 0 {
		t.Error("the client is not read from, although all is answered")
	}
}

// TestWindowOfGets is smaller: a client that does not read must not be owed more than is held
// for it.
func TestWindowOfGets(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	var pipeline []byte
	for i := range uint32(testWindow) {
		pipeline = codec.AppendMessage(pipeline, codec.Request, i, codec.OpGet, []byte{byte(i)})
	}
	r.send(1, pipeline)
	for _, batch := range []int{2, 2} {
		all := r.seen()
		if len(all) != batch {
			t.Fatalf("dc_server got %d GETs, want %d", len(all), batch)
		}
		for _, m := range all {
			r.answer(m, "data")
		}
	}
}

// TestAnswersGatheredForAnother are written while a client's requests are taken from the
// batch's tail: what the other client asks next must not be copied over them.
func TestAnswersGatheredForAnother(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	var pipeline []byte
	for i := range uint32(testWindow + 1) {
		pipeline = codec.AppendMessage(pipeline, codec.Request, i, codec.OpHave, []byte("pipelined"))
	}
	r.send(1, pipeline)
	answer := codec.AppendStatus(nil, r.seen()[0].UID, codec.OpHave, codec.StatusNotOK)
	r.Link().Received(copy(r.Link().Buffer(), answer), r.now) // gathered until the turn ends
	short := codec.AppendMessage(nil, codec.Request, 1, codec.OpAdd, []byte("short"))
	get := codec.AppendMessage(nil, codec.Request, 2, codec.OpGet, []byte("id"))
	r.send(2, append(short, get...))
	seen := r.seen()
	if len(seen) != 2 || string(seen[0].Payload(nil)) != "id" || string(seen[1].Payload(nil)) != "pipelined" {
		t.Errorf("dc_server got %v, want the request of client 2, then one of client 1", seen)
	}
}

// TestAnsweredHereBehindOneInFlight waits for its turn.
func TestAnsweredHereBehindOneInFlight(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	get := codec.AppendMessage(nil, codec.Request, 1, codec.OpGet, []byte("id"))
	short := codec.AppendMessage(nil, codec.Request, 2, codec.OpAdd, []byte("short"))
	r.send(1, append(get, short...))
	r.mustGetNothing(1)
	r.answer(r.seenOne(), "data")
	want := codec.AppendMessage(nil, codec.Response, 1, codec.OpGet, []byte("data"))
	r.mustGetBytes(1, codec.AppendStatus(want, 2, codec.OpAdd, codec.StatusAddCorrupt))
}

// TestNoConnection holds the answers for the time without a connection.
func TestNoConnection(t *testing.T) {
	r := downRig(t, testConfig())
	for op := range codec.Op(codec.NumOps) {
		r.come(int(op))
		r.send(int(op), codec.AppendMessage(nil, codec.Request, 9, op, []byte("eight or more")))
		r.mustGetBytes(int(op), codec.AppendStatus(nil, 9, op, codec.StatusDisconnected))
	}
	if r.Agent.Counters.Unavailable != codec.NumOps {
		t.Errorf("got %d counted, want %d", r.Agent.Counters.Unavailable, codec.NumOps)
	}
}

func TestLostInFlight(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	r.ask(1, 7, "x")
	r.ask(2, 7, "y")
	m := r.seen()
	r.reply(codec.AppendMessage(nil, codec.Response, m[0].UID, m[0].Op, []byte("half an answer"))[:20])
	r.Link().Broken(upstream.ErrClosed, r.now)
	r.mustGet(1, 7, disconnected)
	r.mustGet(2, 7, disconnected)
	r.ask(1, 8, "at once")
	r.mustGet(1, 8, disconnected)
}

func TestServerSilent(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	r.ask(1, 7, "x")
	m := r.seenOne()
	r.at(testTimeout - 1)
	r.mustGetNothing(1)
	r.at(testTimeout)
	r.mustGet(1, 7, disconnected)
	r.answer(m, "late")
	r.mustGetNothing(1)
	if r.Link().State() != upstream.Up {
		t.Error("a late answer cost the connection")
	}
}

// TestServerHung is a server that stops answering: it is noticed once, and then costs
// nobody anything.
func TestServerHung(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	r.ask(1, 7, "x")
	r.at(upstream.SilentTimeouts * testTimeout)
	if r.Link().State() != upstream.Connecting {
		t.Fatalf("got the link %v after three timeouts of silence, want it lost, and the next attempt at once", r.Link().State())
	}
	r.mustGet(1, 7, disconnected)
	r.at(testRetry)
	r.Link().Connected(r.now)
	r.ask(1, 8, "while the probe is not answered")
	r.mustGet(1, 8, disconnected)
}

func TestStrayAnswersAreDropped(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	r.ask(1, 7, "x")
	m := r.seenOne()
	r.answer(m, "first")
	r.mustGet(1, 7, "first")
	r.ask(2, 7, "y")
	r.answer(m, "second")
	r.reply(codec.AppendMessage(nil, codec.Response, 0x1234, codec.OpGet, []byte("stray")))
	r.mustGetNothing(1)
	r.mustGetNothing(2)
	r.answer(r.seenOne(), "its own")
	r.mustGet(2, 7, "its own")
}

func TestWrongOperation(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	r.ask(1, 7, "x")
	m := r.seenOne()
	m.Op = codec.OpRemove
	r.answer(m, "\x00")
	r.mustGet(1, 7, disconnected)
	if r.Link().State() != upstream.Down {
		t.Errorf("got the link %v, want down", r.Link().State())
	}
}

// TestShortAdd answers here what an old dc_server would end everybody's connection for.
func TestShortAdd(t *testing.T) {
	for _, make := range []func(testing.TB, Config) *rig{upRig, downRig, newRig} {
		for n := range codec.AddOverhead {
			r := make(t, testConfig())
			r.come(1)
			r.send(1, codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, []byte("1234567")[:n]))
			r.mustGetBytes(1, codec.AppendStatus(nil, 7, codec.OpAdd, codec.StatusAddCorrupt))
			if len(r.seen()) != 0 && r.Link().State() == upstream.Up {
				t.Errorf("an ADD of %d bytes was forwarded", n)
			}
			if r.Agent.Counters.ShortAdds != 1 {
				t.Errorf("got %d counted, want 1", r.Agent.Counters.ShortAdds)
			}
		}
	}
}

// TestShortAddThenAnother takes the next request of the same read from behind the short
// one's place.
func TestShortAddThenAnother(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	b := codec.AppendMessage(nil, codec.Request, 1, codec.OpAdd, []byte("short"))
	b = codec.AppendMessage(b, codec.Request, 2, codec.OpGet, []byte("forwarded"))
	b = codec.AppendMessage(b, codec.Request, 3, codec.OpAdd, nil)
	r.send(1, b)
	r.mustGetBytes(1, codec.AppendStatus(nil, 1, codec.OpAdd, codec.StatusAddCorrupt))
	m := r.seenOne()
	if got := string(m.Payload(nil)); got != "forwarded" {
		t.Errorf("dc_server got %q, want the second request", got)
	}
	r.answer(m, "answer")
	want := codec.AppendMessage(nil, codec.Response, 2, codec.OpGet, []byte("answer"))
	r.mustGetBytes(1, codec.AppendStatus(want, 3, codec.OpAdd, codec.StatusAddCorrupt))
}

func TestMinExpiry(t *testing.T) {
	tests := []struct {
		name        string
		floor       time.Duration
		asked, want uint32
		behind      string
	}{
		{"off", 0, 5, 5, "data"},
		{"raised", time.Minute, 999, 60_000, "data"},
		{"just there", time.Minute, 60_000, 60_000, "data"},
		{"longer", time.Minute, 60_001, 60_001, "data"},
		{"out of range stays so", time.Minute, 1<<32 - 1, 1<<32 - 1, "data"},
		{"many frames", time.Minute, 0, 60_000, strings.Repeat("data", 2000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			config := testConfig()
			config.MinExpiry = tt.floor
			r := upRig(t, config)
			r.come(1)
			payload := append(binary.BigEndian.AppendUint32(nil, tt.asked), "\x00\x00\x00\x02id"+tt.behind...)
			r.send(1, codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, payload))
			m := r.seenOne()
			got := m.Payload(nil)
			if millis := binary.BigEndian.Uint32(got); millis != tt.want {
				t.Errorf("dc_server got a timeout of %d ms, want %d", millis, tt.want)
			}
			if string(got[4:]) != string(payload[4:]) {
				t.Error("dc_server got something else changed")
			}
		})
	}
}

func TestMinExpiryIsForAddsAlone(t *testing.T) {
	config := testConfig()
	config.MinExpiry = time.Minute
	r := upRig(t, config)
	r.come(1)
	r.ask(1, 7, "\x00\x00\x00\x01 an id that looks like a timeout")
	m := r.seenOne()
	if got := string(m.Payload(nil)); got != "\x00\x00\x00\x01 an id that looks like a timeout" {
		t.Errorf("dc_server got %q", got)
	}
}

// TestFirstWait holds what becomes of requests that come before the first connection.
func TestFirstWait(t *testing.T) {
	tests := []struct {
		name string
		act  func(r *rig)
		want string
	}{
		{"connecting", func(*rig) {}, ""},
		{"probing", func(r *rig) { r.Link().Connected(0) }, ""},
		{"a moment before the end", func(r *rig) { r.at(FirstWait - 1) }, ""},
		{"the time is over", func(r *rig) { r.at(FirstWait) }, disconnected},
		{"refused", func(r *rig) { r.Link().Broken(upstream.ErrClosed, ms) }, disconnected},
		{"stopped", func(r *rig) { r.Stop(ms) }, disconnected},
		{"up", func(r *rig) { r.comeUp(); r.answer(r.seenOne(), "answer") }, "answer"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, testConfig())
			r.come(1)
			r.ask(1, 7, "early")
			tt.act(r)
			if tt.want == "" {
				r.mustGetNothing(1)
				return
			}
			r.mustGet(1, 7, tt.want)
		})
	}
}

// TestFirstWaitCountsOnce: an ADD that waited counts as one, also as one of a brief life.
func TestFirstWaitCountsOnce(t *testing.T) {
	r := newRig(t, testConfig())
	r.come(1)
	add := codec.AppendAdd(nil, codec.Add{ID: []byte("id"), Data: []byte("data"), Timeout: 10 * ms})
	r.send(1, codec.AppendMessage(nil, codec.Request, 7, codec.OpAdd, add))
	r.comeUp()
	r.seenOne()
	if got := r.Front.Counters; got.Brief != 1 || got.Requests[codec.OpAdd] != 1 {
		t.Errorf("got %d ADDs, %d of a brief life, want 1 and 1", got.Requests[codec.OpAdd], got.Brief)
	}
}

// TestFirstWaitIsTheFirstAlone answers at once from then on.
func TestFirstWaitIsTheFirstAlone(t *testing.T) {
	r := newRig(t, testConfig())
	r.at(FirstWait)
	r.come(1)
	r.ask(1, 7, "still connecting")
	r.mustGet(1, 7, disconnected)
	r.comeUp()
	r.Link().Broken(upstream.ErrClosed, r.now)
	r.ask(1, 8, "reconnecting")
	r.mustGet(1, 8, disconnected)
}

// TestLeaveWhileWaiting lets clients leave, and others come under their numbers, while
// they wait for the first connection.
func TestLeaveWhileWaiting(t *testing.T) {
	r := newRig(t, testConfig())
	r.come(1, 2, 3)
	for c := 1; c <= 3; c++ {
		r.ask(c, uint32(c), "early")
	}
	r.Failed(2, upstream.ErrClosed, 0)
	r.come(2)
	r.Failed(1, upstream.ErrClosed, 0)
	r.comeUp()
	m := r.seenOne()
	r.answer(m, "for 3")
	r.mustGet(3, 3, "for 3")
	r.mustGetNothing(1)
	r.mustGetNothing(2)
	r.ask(2, 9, "now")
	r.answer(r.seenOne(), "for 2")
	r.mustGet(2, 9, "for 2")
}

// TestWaitersKeepTheirTurn forwards in the order of arrival.
func TestWaitersKeepTheirTurn(t *testing.T) {
	r := newRig(t, testConfig())
	var want []string
	for c := range 20 {
		r.come(c)
		want = append(want, strings.Repeat("x", c))
		r.ask(c, 7, want[c])
	}
	r.comeUp()
	var got []string
	for _, m := range r.seen() {
		got = append(got, string(m.Payload(nil)))
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the order %q, want %q", got, want)
	}
}

func TestFullIsAnsweredAtOnce(t *testing.T) {
	config := testConfig()
	config.Server.MaxInFlight = 2
	r := upRig(t, config)
	r.come(1, 2, 3)
	r.ask(1, 7, "x")
	r.ask(2, 7, "y")
	r.ask(3, 7, "z")
	r.mustGet(3, 7, disconnected)
	for _, m := range r.seen() {
		r.answer(m, string(m.Payload(nil)))
	}
	r.mustGet(1, 7, "x")
	r.mustGet(2, 7, "y")
	r.ask(3, 8, "again")
	r.answer(r.seenOne(), "room")
	r.mustGet(3, 8, "room")
}

// TestLeftWithRequestOpen swallows the answer, although somebody else has the number by then.
func TestLeftWithRequestOpen(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	r.ask(1, 7, "x")
	r.Failed(1, upstream.ErrClosed, 0)
	if !r.closed[1] {
		t.Fatal("the client is still there")
	}
	r.come(1)
	r.answer(r.seenOne(), "for who has left")
	r.mustGetNothing(1)
	r.ask(1, 7, "y")
	r.answer(r.seenOne(), "for who is here")
	r.mustGet(1, 7, "for who is here")
}

// TestLeaversKeepNoPlace has clients leave with their request open three times as often as
// requests may be in flight: each that was swallowed makes room.
func TestLeaversKeepNoPlace(t *testing.T) {
	r := upRig(t, testConfig())
	for range 3 * testConfig().Server.MaxInFlight {
		r.come(1)
		r.ask(1, 7, "x")
		r.Failed(1, upstream.ErrClosed, 0)
		r.answer(r.seenOne(), "for who has left")
	}
	if got := r.Mux().Unanswered(); got != 0 {
		t.Errorf("got %d requests in flight, want none", got)
	}
	r.come(1)
	r.ask(1, 7, "y")
	r.answer(r.seenOne(), "for who is here")
	r.mustGet(1, 7, "for who is here")
}

func TestGarbageEndsItsClientAlone(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1, 2)
	r.ask(1, 7, "x")
	r.send(2, []byte("GET / HTTP/1.1\r\n\r\n"))
	if !r.closed[2] || r.closed[1] || !slices.Equal(r.drops, []front.Reason{front.Corrupt}) {
		t.Errorf("got closed %v, drops %v, want client 2 alone, corrupt", r.closed, r.drops)
	}
	r.mustGetNothing(2)
	r.answer(r.seenOne(), "unharmed")
	r.mustGet(1, 7, "unharmed")
}

// TestRequestThenGarbage answers the request first.
func TestRequestThenGarbage(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	b := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, []byte("x"))
	r.send(1, append(b, "garbage"...))
	if r.closed[1] {
		t.Fatal("the client was closed before its request was answered")
	}
	r.answer(r.seenOne(), "answer")
	r.mustGet(1, 7, "answer")
	if !r.closed[1] {
		t.Error("the client was not closed after its garbage")
	}
}

func TestIdle(t *testing.T) {
	config := testConfig()
	config.Idle = time.Second
	config.Server.Timeout = deadline.Never
	r := upRig(t, config)
	r.come(1, 2)
	r.ask(2, 7, "a request that takes long")
	r.at(time.Second - 1)
	if len(r.closed) != 0 {
		t.Fatalf("got closed %v before the idle time was over", r.closed)
	}
	r.at(4 * time.Second)
	if !r.closed[1] || r.closed[2] {
		t.Errorf("got closed %v, want client 1 alone: the other has a request open", r.closed)
	}
	r.answer(r.seenOne(), "answer")
	r.at(5*time.Second - 1)
	if r.closed[2] {
		t.Error("the idle time does not begin with the answer")
	}
	r.at(5 * time.Second)
	if !r.closed[2] {
		t.Error("client 2 is not closed although idle")
	}
}

func TestStopAnswersWhatIsInFlight(t *testing.T) {
	r := upRig(t, testConfig())
	r.come(1)
	r.ask(1, 7, "x")
	r.Stop(ms)
	r.mustGet(1, 7, disconnected)
	r.ask(1, 8, "y")
	r.mustGet(1, 8, disconnected)
	if got := r.Deadline(); got != deadline.Never {
		t.Errorf("got a deadline at %v after the stop, want never", got)
	}
	if r.wire.dials != 1 {
		t.Errorf("got %d attempts, want the first alone", r.wire.dials)
	}
}

// TestDeadlineIsTheNearest changes with what is under way.
func TestDeadlineIsTheNearest(t *testing.T) {
	config := testConfig()
	config.Idle = 2 * time.Second
	r := newRig(t, config)
	steps := []struct {
		name string
		act  func()
		want time.Duration
	}{
		{"the first wait", func() {}, FirstWait},
		{"the link's next look", func() { r.comeUp() }, upstream.KeepAlive},
		{"an idle client", func() { r.come(1) }, 2 * time.Second},
		{"a request's timeout", func() { r.ask(1, 7, "x") }, testTimeout},
		{"the next attempt", func() { r.Failed(1, nil, 0); r.Link().Broken(upstream.ErrClosed, 0) }, upstream.FirstRetry},
	}
	for _, s := range steps {
		s.act()
		if got := r.Deadline(); got != s.want {
			t.Errorf("%s: got a deadline at %v, want %v", s.name, got, s.want)
		}
	}
}
