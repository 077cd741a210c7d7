package upstream

import (
	"sync/atomic"
	"testing"
	"time"

	"distcache/internal/testkit"
)

// hostile is one way in which dc_server fails, for as long as it is told to.
type hostile struct {
	name    string
	answer  testkit.Fault // to each request, also to the probes; nil: honest
	connect testkit.Fault // to each connection; nil: honest
	begin   func(up *testkit.Upstream)
	end     func(up *testkit.Upstream)
	hangs   bool // an attempt to connect may take all of its time
}

// hostiles are those of U01, U03 to U09, U11, U12 and U14. U05 and U06 are “wrong uid” and
// “wrong operation”, U07 is from “a request for an answer” on.
func hostiles() []hostile {
	all := []hostile{
		{name: "U01 takes requests and never answers", answer: testkit.Drop, hangs: true},
		{name: "U01 accepts and hangs", begin: (*testkit.Upstream).CloseAll, connect: testkit.StopReading, hangs: true},
		{name: "U01 stalls for 10 s", answer: testkit.Delay(10 * time.Second), hangs: true},
		{name: "U03 answers 50 ms after the timeout", answer: testkit.Late(timeout + 50*time.Millisecond)},
		{name: "U04 answers twice", answer: testkit.Duplicate},
		{name: "U05 wrong uid", answer: testkit.WrongUID},
		{name: "U05 answers before any request", begin: (*testkit.Upstream).CloseAll, connect: testkit.Unsolicited(3)},
		{name: "U06 wrong operation", answer: testkit.WrongOp},
		{name: "U07 a request for an answer", answer: testkit.AsRequest},
		{name: "U07 wrong version", answer: testkit.WrongVersion},
		{name: "U07 a frame too large", answer: testkit.Oversized},
		{name: "U07 17 frames", answer: testkit.SeventeenFrames},
		{name: "U07 two uids in one message", answer: testkit.MixedUIDs},
		{name: "U08 all but a byte of an answer, and no more", answer: testkit.HoldBack(1, time.Hour), hangs: true},
		{name: "U08 all but 4 bytes of an answer, and no more", answer: testkit.HoldBack(4, time.Hour), hangs: true},
		{name: "U09 a byte at a time", answer: testkit.ByteByByte},
		{name: "U11 floods", answer: testkit.Flood},
		{name: "U12 reads no more", answer: testkit.StopReading, hangs: true},
		{name: "U14 half an answer, then a reset", answer: testkit.CutReset(13)},
		{name: "N01 half an answer, then the end", answer: testkit.Cut(14)},
		{name: "N01 closes", answer: testkit.CloseUnanswered},
		{name: "N01 resets at connect", begin: (*testkit.Upstream).ResetAll, connect: testkit.ResetUnanswered},
		{name: "N01 refuses", begin: (*testkit.Upstream).Stop, end: (*testkit.Upstream).Start},
		{name: "N16 another service has the port", begin: (*testkit.Upstream).CloseAll, answer: testkit.HTTP},
	}
	return all
}

// TestUEveryRequestEndsInTime lets dc_server fail in each way under load: every request is
// answered within its timeout and 50 ms, rightly or with DISCONNECTED, and when dc_server
// is well again so is the service, within the retry time and 100 ms.
func TestUEveryRequestEndsInTime(t *testing.T) {
	t.Parallel()
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			jitter := testkit.MeasureJitter(t)
			up := testkit.NewUpstream(t, testkit.Loopback())
			process, at := startLinked(t, up.Endpoint())
			load := testkit.StartLoad(t, at, 20, 5*time.Millisecond)
			load.FirstServed(patience, time.Now())
			var bad atomic.Bool
			h.arm(up, &bad)
			post := process.Post()

			bad.Store(true)
			if h.begin != nil {
				h.begin(up)
			}
			time.Sleep(3*timeout + 3*retry) // so long it lasts: until the link is given up, and tried again
			bad.Store(false)
			if h.end != nil {
				h.end(up)
			}
			back := time.Now()
			took := load.FirstServed(patience, back)
			all := load.Stop()
			t.Logf("%d requests, the slowest took %v; service came back after %v", len(all), testkit.Slowest(all), took)
			jitter.MustTake(t, "slowest answer", testkit.Slowest(all), 0, timeout+testkit.Promptly)
			jitter.MustTake(t, "service", took, 0, h.recovery())
			post.Check(slack())
		})
	}
}

// arm makes up fail in that way while bad is set.
func (h hostile) arm(up *testkit.Upstream, bad *atomic.Bool) {
	if h.answer != nil {
		up.On(func(testkit.Request) bool { return bad.Load() }).Do(h.answer)
	}
	if h.connect != nil {
		up.OnConnect(func(x *testkit.Exchange) {
			if bad.Load() {
				h.connect(x)
			}
		})
	}
}

// recovery is the time in which the service must be back. An attempt that began while
// dc_server hung may have to run into its timeout first.
func (h hostile) recovery() time.Duration {
	if h.hangs {
		return attempt + retry + 100*time.Millisecond
	}
	return retry + 100*time.Millisecond
}

// slack allows the connection to be away when it is looked at.
func slack() testkit.Slack {
	s := testkit.DefaultSlack()
	s.FDs = 1
	s.RSS = 32 << 20
	return s
}
