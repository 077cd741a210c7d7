package upstream

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/test/kit"
)

// TestLinkTransitions takes every way between the states.
func TestLinkTransitions(t *testing.T) {
	tests := []struct {
		name string
		act  func(r *rig)
		want []change
	}{
		{"start", func(r *rig) { r.Start(0) }, []change{{Down, Connecting, nil}}},
		{"refused", func(r *rig) { r.Start(0); r.Broken(errTest, ms) },
			[]change{{Down, Connecting, nil}, {Connecting, Down, errTest}}},
		{"connected", func(r *rig) { r.Start(0); r.Connected(ms) },
			[]change{{Down, Connecting, nil}, {Connecting, Probing, nil}}},
		{"closed while probing", func(r *rig) { r.Start(0); r.Connected(ms); r.Broken(ErrClosed, 2*ms) },
			[]change{{Down, Connecting, nil}, {Connecting, Probing, nil}, {Probing, Down, ErrProbeClosed}}},
		{"the probe fails to be written", func(r *rig) { r.Start(0); r.writeErr = errTest; r.Connected(ms) },
			[]change{{Down, Connecting, nil}, {Connecting, Probing, nil}, {Probing, Down, errTest}}},
		{"the probe is not taken whole", func(r *rig) { r.Start(0); r.takes = 45; r.Connected(ms) },
			[]change{{Down, Connecting, nil}, {Connecting, Probing, nil}, {Probing, Down, io.ErrShortWrite}}},
		{"lost", func(r *rig) { r.up(0); r.Broken(errTest, ms) }, []change{{Up, Down, errTest}}},
		{"a write fails", func(r *rig) { r.up(0); r.writeErr = errTest; r.ask(1, "x", ms) }, []change{{Up, Down, errTest}}},
		{"the next attempt", func(r *rig) { r.Start(0); r.Broken(errTest, ms); r.Expire(5 * time.Second) },
			[]change{{Down, Connecting, nil}, {Connecting, Down, errTest}, {Down, Connecting, nil}}},
		{"broken twice", func(r *rig) { r.Start(0); r.Broken(errTest, ms); r.Broken(ErrClosed, ms) },
			[]change{{Down, Connecting, nil}, {Connecting, Down, errTest}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.act(r)
			r.mustChange(tt.want...)
			if r.State() == Down && r.closes != 1 {
				t.Errorf("got the transport closed %d times, want once", r.closes)
			}
		})
	}
}

func TestProbeAnswers(t *testing.T) {
	tests := []struct {
		name   string
		answer func(probe codec.Message) []byte
		want   State
		why    error
	}{
		{"not there", func(p codec.Message) []byte { return reply(p.UID, p.Op, "\x01").Wire }, Up, nil},
		{"there, by chance", func(p codec.Message) []byte { return reply(p.UID, p.Op, "\x00").Wire }, Up, nil},
		{"disconnected: another dc_client", func(p codec.Message) []byte { return reply(p.UID, p.Op, "\x02").Wire }, Down, ErrProbe},
		{"another status", func(p codec.Message) []byte { return reply(p.UID, p.Op, "\x65").Wire }, Down, ErrProbe},
		{"empty", func(p codec.Message) []byte { return reply(p.UID, p.Op, "").Wire }, Down, ErrProbe},
		{"two bytes", func(p codec.Message) []byte { return reply(p.UID, p.Op, "\x01\x01").Wire }, Down, ErrProbe},
		{"another uid", func(p codec.Message) []byte { return reply(p.UID+1, p.Op, "\x01").Wire }, Down, ErrProbe},
		{"another operation", func(p codec.Message) []byte { return reply(p.UID, codec.OpGet, "\x01").Wire }, Down, ErrProbe},
		{"an echo", func(p codec.Message) []byte { return p.Wire }, Down, new(codec.CorruptError)},
		{"another protocol", func(codec.Message) []byte { return []byte("-ERR unknown command\r\n") }, Down, new(codec.CorruptError)},
		{"all but the last byte", func(p codec.Message) []byte { return reply(p.UID, p.Op, "\x01").Wire[:14] }, Probing, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.Start(0)
			r.Connected(ms)
			r.bring(tt.answer(r.sent()[0]), 2*ms)
			if r.State() != tt.want {
				t.Fatalf("got %v, want %v", r.State(), tt.want)
			}
			why := r.changes[len(r.changes)-1].why
			if corrupt := new(codec.CorruptError); errors.As(tt.why, &corrupt) {
				if !errors.As(why, &corrupt) || !errors.Is(why, ErrProbe) {
					t.Errorf("got %v, want ErrProbe with a CorruptError", why)
				}
			} else if !errors.Is(why, tt.why) {
				t.Errorf("got %v, want %v", why, tt.why)
			}
		})
	}
}

func TestProbesAreRandom(t *testing.T) {
	r := newRig(t)
	r.Start(0)
	r.Connected(0)
	p := r.sent()[0]
	want := make([]byte, codec.ProbeIDLen)
	r.fill(want)
	copy(want, codec.ProbeMark)
	if got := p.Payload(nil); !bytes.Equal(got, want) {
		t.Errorf("got the id %x, want %d bytes of Random, %x", got, codec.ProbeIDLen, want)
	}
	if p.UID != 0x20212223 {
		t.Errorf("got the uid %#x, want that of Random, 0x20212223", p.UID)
	}
}

func TestAttemptTimeout(t *testing.T) {
	tests := []struct {
		name string
		act  func(r *rig)
		from State
		why  error
	}{
		{"never connected", func(*rig) {}, Connecting, ErrAttemptTimeout},
		{"never answers the probe", func(r *rig) { r.Connected(1990 * ms) }, Probing, ErrProbeTimeout},
		{"answers half of it", func(r *rig) {
			r.Connected(ms)
			r.bring(reply(r.sent()[0].UID, codec.OpHave, "\x01").Wire[:10], 1999*ms)
		}, Probing, ErrProbeTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.Start(100 * ms)
			tt.act(r)
			r.changes = nil
			if got, want := r.Deadline(), 100*ms+AttemptTimeout; got != want {
				t.Errorf("got a deadline at %v, want %v", got, want)
			}
			r.Expire(100*ms + AttemptTimeout - 1)
			r.mustChange()
			r.Expire(100*ms + AttemptTimeout)
			r.mustChange(change{tt.from, Down, tt.why})
		})
	}
}

// TestSilence holds when a silent link is lost: three timeouts after the later of the
// last byte and the first owed answer.
func TestSilence(t *testing.T) {
	const limit = SilentTimeouts * 200 * ms
	tests := []struct {
		name string
		act  func(r *rig)
		want time.Duration
	}{
		{"from the first request after an idle time", func(r *rig) {
			r.ask(1, "x", 3000*ms)
		}, 3000*ms + limit},
		{"the second request changes nothing", func(r *rig) {
			r.ask(1, "x", 3000*ms)
			r.ask(2, "y", 3500*ms)
		}, 3000*ms + limit},
		{"from the last byte", func(r *rig) {
			r.ask(1, "x", 3000*ms)
			r.ask(2, "y", 3000*ms)
			r.bring(reply(r.sent()[0].UID, codec.OpGet, "z").Wire, 3400*ms)
		}, 3400*ms + limit},
		{"from a byte of an unfinished answer", func(r *rig) {
			r.ask(1, "x", 3000*ms)
			r.bring([]byte{0}, 3100*ms)
		}, 3100*ms + limit},
		{"from the first request after all were answered", func(r *rig) {
			r.ask(1, "x", 3000*ms)
			r.bring(reply(r.sent()[0].UID, codec.OpGet, "z").Wire, 3100*ms)
			r.ask(2, "y", 4000*ms)
		}, 4000*ms + limit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.up(0)
			tt.act(r)
			if got := r.Deadline(); got != tt.want {
				t.Errorf("got a deadline at %v, want %v", got, tt.want)
			}
			r.mux.Expire(tt.want - 1)
			r.Expire(tt.want - 1)
			r.mustChange()
			r.Expire(tt.want)
			r.mustChange(change{Up, Down, ErrSilent})
		})
	}
}

// TestSilenceHasAFloor: a small timeout leaves TCP the time to send a lost packet again.
func TestSilenceHasAFloor(t *testing.T) {
	r := newRigWith(t, 20*ms)
	r.up(0)
	r.ask(1, "x", time.Second)
	for now := time.Second; now < time.Second+SilentFloor; now += ms {
		r.mux.Expire(now)
		r.Expire(now)
	}
	r.mustChange()
	r.Expire(time.Second + SilentFloor)
	r.mustChange(change{Up, Down, ErrSilent})
}

// TestSilenceWithALongTimeout is a server that hangs for longer than KeepAlive before
// three timeouts are over: that the link is looked at meanwhile is no sign of life.
func TestSilenceWithALongTimeout(t *testing.T) {
	const timeout = 10 * time.Second
	r := newRigWith(t, timeout)
	r.up(0)
	r.ask(1, "x", time.Second)
	now, want := time.Duration(0), time.Second+SilentTimeouts*timeout
	for r.State() == Up && now <= want {
		now = r.Deadline()
		r.mux.Expire(now)
		r.Expire(now)
	}
	r.mustChange(change{Up, Down, ErrSilent})
	if now != want {
		t.Errorf("lost at %v, want %v", now, want)
	}
}

func TestNoSilenceWithoutTimeout(t *testing.T) {
	r := newRigWith(t, deadline.Never)
	r.up(0)
	r.ask(1, "x", 0)
	for now := KeepAlive; now < time.Hour; now += KeepAlive {
		r.Expire(now)
		r.Flush(now)
	}
	r.mustChange()
	if got := len(r.sent()); got != 1 {
		t.Errorf("got %d requests sent, want the one and no probes while an answer is owed", got)
	}
}

func TestKeepAlive(t *testing.T) {
	r := newRig(t)
	r.up(0)
	if got := r.Deadline(); got != KeepAlive {
		t.Fatalf("got a deadline at %v on an idle link, want %v", got, KeepAlive)
	}
	r.Expire(KeepAlive - 1)
	r.Flush(KeepAlive - 1)
	if got := r.sent(); len(got) != 0 {
		t.Fatalf("got %v sent too early", got)
	}
	r.turns = 0
	r.Expire(KeepAlive)
	if r.turns == 0 {
		t.Error("nothing was asked to flush the probe")
	}
	r.Flush(KeepAlive)
	probe := r.sent()
	if len(probe) != 1 || probe[0].Op != codec.OpHave || probe[0].PayloadLen != codec.ProbeIDLen {
		t.Fatalf("got %v sent, want a HAVE of %d bytes", probe, codec.ProbeIDLen)
	}
	r.bring(reply(probe[0].UID, codec.OpHave, "\x01").Wire, KeepAlive+ms)
	r.mustHave()
	if got, want := r.Deadline(), 2*KeepAlive+ms; got != want {
		t.Errorf("got the next look at %v, want %v", got, want)
	}
}

func TestKeepAliveFindsADeadServer(t *testing.T) {
	r := newRig(t)
	r.up(0)
	r.Expire(KeepAlive)
	r.Flush(KeepAlive)
	want := KeepAlive + SilentTimeouts*200*ms
	if got := r.Deadline(); got != want {
		t.Errorf("got a deadline at %v, want %v", got, want)
	}
	r.mux.Expire(want)
	r.Expire(want)
	r.mustChange(change{Up, Down, ErrSilent})
	r.mustHave()
}

// TestRetry holds that two attempts are FirstRetry apart, then twice as long and so on, up to
// the retry time, and that there is no wait beyond that.
func TestRetry(t *testing.T) {
	tests := []struct {
		name   string
		random uint64
		lostAt time.Duration
		want   time.Duration
	}{
		{"at once after the attempt began", 0, 0, FirstRetry},
		{"refused soon", 0, 3 * ms, FirstRetry},
		{"ended later: at once", 0, FirstRetry + 1, FirstRetry + 1},
		{"the same with jitter", 1 << 15, FirstRetry + 1, FirstRetry + 1},
		{"half the jitter", 1 << 15, 0, FirstRetry * 9 / 10},
		{"all of it", 1<<16 - 1, 0, FirstRetry*8/10 + FirstRetry/5/(1<<16) + 1},
		{"only the low bits count", 0xdeadbeef_0000, 0, FirstRetry},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.random = tt.random
			r.Start(0)
			r.Broken(errTest, tt.lostAt)
			if got := r.Deadline(); got != tt.want {
				t.Fatalf("got the next attempt at %v, want %v", got, tt.want)
			}
			r.Expire(tt.want - 1)
			if r.dials != 1 {
				t.Errorf("got %d attempts too early, want 1", r.dials)
			}
			r.Expire(tt.want)
			if r.dials != 2 {
				t.Errorf("got %d attempts, want 2", r.dials)
			}
		})
	}
}

// TestRetryDoubles fails attempt after attempt; then a connection lasts for a retry time.
func TestRetryDoubles(t *testing.T) {
	const retry = 5 * time.Second
	r := newRig(t)
	r.Start(0)
	now, wait := time.Duration(0), FirstRetry
	for range 10 {
		r.Broken(errTest, now)
		if got := r.Deadline(); got != now+wait {
			t.Fatalf("got the next attempt after %v, want %v", got-now, wait)
		}
		now += wait
		r.Expire(now)
		wait = min(2*wait, retry)
	}
	for _, row := range []struct{ lasted, next time.Duration }{
		{retry - 1, retry},                 // too short: the doubling goes on
		{retry + 1, retry + 1},             // at once
		{FirstRetry, 2 * FirstRetry},       // and what follows soon fails
		{2*FirstRetry - 1, 4 * FirstRetry}, // twice as long again
	} {
		began := now
		r.comeUp(now)
		now += row.lasted
		r.Broken(errTest, now)
		if got := r.Deadline() - began; got != row.next {
			t.Fatalf("lost after %v: got the next attempt %v after the last, want %v", row.lasted, got, row.next)
		}
		now = began + row.next
		r.Expire(now)
	}
}

func TestJitterIsFourFifthsToTheWhole(t *testing.T) {
	rng := kit.Random(t)
	r := newRig(t)
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		r.random = rng.Uint64()
		d := r.config.jittered(time.Second)
		least, most = min(least, d), max(most, d)
	}
	if least < 800*ms || least > 805*ms || most > time.Second || most < 995*ms {
		t.Errorf("got %v to %v, want all of 800ms to 1s", least, most)
	}
}

// TestLossJitter: the first attempt after a loss comes within LossJitter, at random, and within less where requests may not
// wait so long.
func TestLossJitter(t *testing.T) {
	rng := kit.Random(t)
	for _, row := range []struct {
		timeout, retry, most time.Duration
	}{
		{200 * ms, 5 * time.Second, LossJitter},
		{deadline.Never, 5 * time.Second, LossJitter},
		{40 * ms, 5 * time.Second, 10 * ms},
		{200 * ms, 30 * ms, 30 * ms},
	} {
		r := newRigWith(t, row.timeout)
		r.config.Retry = row.retry
		least, most := time.Hour, time.Duration(0)
		for now := time.Duration(0); now < 300*time.Hour; {
			r.Start(now)
			r.comeUp(now)
			r.random = rng.Uint64()
			now += time.Hour
			r.Broken(errTest, now)
			wait := r.Deadline() - now
			least, most = min(least, wait), max(most, wait)
		}
		if least > row.most/20 || most < row.most*9/10 || most > row.most {
			t.Errorf("-timeout %v, -retry %v: got the next attempt after %v to %v, want all of 0 to %v", row.timeout, row.retry, least, most, row.most)
		}
	}
}

func TestPartialWrites(t *testing.T) {
	r := newRig(t)
	r.up(0)
	r.takes = 10
	r.ask(1, "first", ms)
	r.ask(2, "second", ms)
	if len(r.written) != 10 {
		t.Fatalf("got %d bytes written while the transport takes no more, want 10", len(r.written))
	}
	for range 4 {
		r.Writable(2 * ms)
	}
	asked := r.sent()
	if len(asked) != 2 || string(asked[0].Payload(nil)) != "first" || string(asked[1].Payload(nil)) != "second" {
		t.Fatalf("got %v written in pieces, want both requests", asked)
	}
	r.Flush(3 * ms)
	if len(r.written) != 0 {
		t.Error("something was written twice")
	}
}

// TestUnsentDoesNotOutliveTheConnection keeps the end of a half-written request away
// from the next connection.
func TestUnsentDoesNotOutliveTheConnection(t *testing.T) {
	r := newRig(t)
	r.up(0)
	r.takes = 10
	r.ask(1, "first", ms)
	r.Broken(errTest, 2*ms)
	r.mustHave(got(1, disconnected))
	r.takes, r.written = -1, nil
	r.Expire(r.Deadline())
	r.comeUp(6 * time.Second)
	r.Flush(6 * time.Second)
	r.ask(2, "second", 6*time.Second)
	if asked := r.sent(); len(asked) != 1 || string(asked[0].Payload(nil)) != "second" {
		t.Errorf("got %v written to the next connection, want the second request alone", asked)
	}
}

// TestHalfAnAnswerDoesNotOutliveTheConnection does the same for what was read: a part of a
// frame, and a whole one of several, which has been judged already.
func TestHalfAnAnswerDoesNotOutliveTheConnection(t *testing.T) {
	for _, came := range []int{20, codec.FrameSize, codec.FrameSize + 20} {
		r := newRig(t)
		r.up(0)
		r.ask(1, "x", ms)
		r.bring(reply(r.sent()[0].UID, codec.OpGet, string(stretch(5000, 1))).Wire[:came], ms)
		r.Broken(errTest, 2*ms)
		r.Expire(r.Deadline())
		r.comeUp(6 * time.Second)
	}
}

func TestAnswersInPieces(t *testing.T) {
	for _, size := range []int{1, 2, 13, 14, 15, 16, 1000, 100_000} {
		r := newRig(t)
		r.up(0)
		long := string(stretch(5000, 1))
		r.ask(1, "x", ms)
		r.ask(2, "y", ms)
		asked := r.sent()
		stream := append(bytes.Clone(reply(asked[1].UID, codec.OpGet, long).Wire),
			reply(asked[0].UID, codec.OpGet, "short").Wire...)
		for len(stream) > 0 {
			n := min(size, len(stream))
			r.bring(stream[:n], 2*ms)
			stream = stream[n:]
		}
		r.mustHave(got(2, long), got(1, "short"))
	}
}

// TestLargestAnswers fills the read buffer again and again.
func TestLargestAnswers(t *testing.T) {
	r := newRig(t)
	r.up(0)
	long := string(stretch(codec.MaxPayload, 1))
	var stream []byte
	var want []answer
	for i := range 20 {
		r.ask(i, "x", ms)
		stream = append(stream, reply(r.sent()[0].UID, codec.OpGet, long).Wire...)
		want = append(want, got(i, long))
	}
	r.bring(stream, 2*ms)
	r.mustHave(want...)
}

func TestAnswersBeforeTheEnd(t *testing.T) {
	r := newRig(t)
	r.up(0)
	r.ask(1, "x", ms)
	r.ask(2, "y", ms)
	r.bring(reply(r.sent()[0].UID, codec.OpGet, "last words").Wire, 2*ms)
	r.Broken(ErrClosed, 2*ms)
	r.mustHave(got(1, "last words"), got(2, disconnected))
}

func TestBadAnswersCostTheConnection(t *testing.T) {
	tests := []struct {
		name  string
		bytes func(asked codec.Message) []byte
	}{
		{"garbage", func(codec.Message) []byte { return []byte("garbage") }},
		{"a request", func(a codec.Message) []byte { return a.Wire }},
		{"the wrong operation", func(a codec.Message) []byte { return reply(a.UID, codec.OpHave, "\x00").Wire }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.up(0)
			r.ask(1, "x", ms)
			r.ask(2, "y", ms)
			asked := r.sent()
			good := reply(asked[0].UID, codec.OpGet, "good").Wire
			r.bring(append(good, tt.bytes(asked[1])...), 2*ms)
			r.mustHave(got(1, "good"), got(2, disconnected))
			if r.State() != Down || r.closes != 1 {
				t.Errorf("got %v, closed %d times, want down, once", r.State(), r.closes)
			}
		})
	}
}

// TestU04StrayAnswersAreToldOnce: the second answer to a request, one to none, one on
// another connection.
func TestU04StrayAnswersAreToldOnce(t *testing.T) {
	r := newRig(t)
	told := 0
	r.config.Stray = func() { told++ }
	r.up(0)
	r.ask(1, "x", ms)
	answer := reply(r.sent()[0].UID, codec.OpGet, "y").Wire
	r.bring(bytes.Clone(answer), 2*ms)
	if told != 0 {
		t.Errorf("told %d times of an answer that was asked for", told)
	}
	r.bring(answer, 3*ms)
	r.bring(reply(77, codec.OpGet, "stray").Wire, 3*ms)
	r.Broken(errTest, 4*ms)
	r.Expire(r.Deadline())
	r.comeUp(6 * time.Second)
	r.bring(reply(78, codec.OpGet, "stray").Wire, 6*time.Second)
	r.mustHave(got(1, "y"))
	if told != 1 || r.mux.Counters.Unsolicited != 3 {
		t.Errorf("told %d times, counted %d, want once and 3", told, r.mux.Counters.Unsolicited)
	}
}

func TestFloodOfUnsolicitedCostsTheConnection(t *testing.T) {
	r := newRig(t)
	r.up(0)
	stray := reply(77, codec.OpGet, "stray").Wire
	r.bring(bytes.Repeat(stray, unsolicitedLimit), ms)
	r.mustChange()
	r.bring(stray, ms)
	r.mustChange(change{Up, Down, ErrUnsolicited})
}

// TestRequestsFromWithinLost are those of pipelining clients: what they ask once the
// link is down must find it so.
func TestRequestsFromWithinLost(t *testing.T) {
	r := newRig(t)
	r.up(0)
	r.ask(1, "x", ms)
	var found State = Up
	r.then = func(int, time.Duration) { found = r.State() }
	r.Broken(errTest, 2*ms)
	if found != Down {
		t.Errorf("got %v from within the answer, want down", found)
	}
}

func TestStop(t *testing.T) {
	tests := []struct {
		name string
		act  func(r *rig)
	}{
		{"before the start", func(*rig) {}},
		{"connecting", func(r *rig) { r.Start(0) }},
		{"probing", func(r *rig) { r.Start(0); r.Connected(0) }},
		{"up", func(r *rig) { r.up(0) }},
		{"waiting for the next attempt", func(r *rig) { r.Start(0); r.Broken(errTest, 0) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			tt.act(r)
			dials := r.dials
			r.Stop(ms)
			if r.State() != Down || r.Deadline() != deadline.Never {
				t.Errorf("got %v with a deadline at %v, want down and never", r.State(), r.Deadline())
			}
			r.Expire(time.Hour)
			if r.dials != dials {
				t.Error("it connects again")
			}
		})
	}
}

func TestNothingIsWrittenBeforeUp(t *testing.T) {
	r := newRig(t)
	r.Start(0)
	r.Connected(0)
	r.written = nil
	mustSubmit(t, r.mux, 1, 7, "too early", 0) // which no caller does
	r.Flush(ms)
	r.Writable(ms)
	if len(r.written) != 0 {
		t.Errorf("got %x written while probing", r.written)
	}
}

func TestStateNames(t *testing.T) {
	for want, s := range map[string]State{"down": Down, "connecting": Connecting, "probing": Probing, "up": Up, "unknown": 9} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestRest: a connection that rests is not made anew before Start, and keeps no memory for sessions.
func TestRest(t *testing.T) {
	r := newRig(t)
	r.up(0)
	r.ask(1, "id", 0)
	r.Rest(ms)
	r.mustHave(answer{1, 1, codec.OpGet, disconnected})
	if r.closes != 1 || r.in != nil || r.mux.batch.buf != nil || r.mux.InFlight() != 0 {
		t.Errorf("got the connection closed %d times, %d requests in flight, want once and no memory", r.closes, r.mux.InFlight())
	}
	if !r.Resting() || r.Link.Deadline() != deadline.Never || r.mux.Deadline() != deadline.Never {
		t.Errorf("got the next attempt at %v, want none", r.Link.Deadline())
	}
	r.written = nil
	r.up(time.Hour)
	if r.Resting() || r.dials != 2 {
		t.Errorf("got %d attempts, want a second one after Start", r.dials)
	}
}
