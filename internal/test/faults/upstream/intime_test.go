package upstream

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// hostile is one way in which dc_server fails, for as long as it is told to.
type hostile struct {
	name    string
	answer  kit.Fault // to each request, also to the probes; nil: honest
	connect kit.Fault // to each connection; nil: honest
	begin   func(up *kit.Upstream)
	end     func(up *kit.Upstream)
	hangs   bool // an attempt to connect may take all of its time
}

// hostiles are those of U01, U03 to U09, U11, U12 and U14. U05 and U06 are “wrong uid” and
// “wrong operation”, U07 is from “a request for an answer” on.
func hostiles() []hostile {
	all := []hostile{
		{name: "U01 takes requests and never answers", answer: kit.Drop, hangs: true},
		{name: "U01 accepts and hangs", begin: (*kit.Upstream).CloseAll, connect: kit.StopReading, hangs: true},
		{name: "U01 stalls for 10 s", answer: kit.Delay(10 * time.Second), hangs: true},
		{name: "U03 answers 50 ms after the timeout", answer: kit.Late(timeout + 50*time.Millisecond)},
		{name: "U04 answers twice", answer: kit.Duplicate},
		{name: "U05 wrong uid", answer: kit.WrongUID},
		{name: "U05 answers before any request", begin: (*kit.Upstream).CloseAll, connect: kit.Unsolicited(3)},
		{name: "U06 wrong operation", answer: kit.WrongOp},
		{name: "U07 a request for an answer", answer: kit.AsRequest},
		{name: "U07 wrong version", answer: kit.WrongVersion},
		{name: "U07 a frame too large", answer: kit.Oversized},
		{name: "U07 17 frames", answer: kit.SeventeenFrames},
		{name: "U07 two uids in one message", answer: kit.MixedUIDs},
		{name: "U08 all but a byte of an answer, and no more", answer: kit.HoldBack(1, time.Hour), hangs: true},
		{name: "U08 all but 4 bytes of an answer, and no more", answer: kit.HoldBack(4, time.Hour), hangs: true},
		{name: "U09 a byte at a time", answer: kit.ByteByByte},
		{name: "U11 floods", answer: kit.Flood},
		{name: "U12 reads no more", answer: kit.StopReading, hangs: true},
		{name: "U14 half an answer, then a reset", answer: kit.CutReset(13)},
		{name: "N01 half an answer, then the end", answer: kit.Cut(14)},
		{name: "N01 closes", answer: kit.CloseUnanswered},
		{name: "N01 resets at connect", begin: (*kit.Upstream).ResetAll, connect: kit.ResetUnanswered},
		{name: "N01 refuses", begin: (*kit.Upstream).Stop, end: (*kit.Upstream).Start},
		{name: "N16 another service has the port", begin: (*kit.Upstream).CloseAll, answer: kit.HTTP},
	}
	return all
}

// TestUEveryRequestEndsInTime lets dc_server fail in each way under load. Every request gets the
// right answer or DISCONNECTED within its timeout and 50 ms. Once dc_server works again, so does
// the service, within the retry time and 100 ms.
func TestUEveryRequestEndsInTime(t *testing.T) {
	t.Parallel()
	for _, h := range hostiles() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			jitter := kit.MeasureJitter(t)
			up := kit.NewUpstream(t, kit.Loopback())
			process, at := startLinked(t, up.Endpoint())
			load := kit.StartLoad(t, at, 20, kit.Sized(20*time.Millisecond, 5*time.Millisecond))
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
			t.Logf("%d requests, the slowest took %v; service came back after %v", len(all), kit.Slowest(all), took)
			jitter.MustTake(t, "slowest answer", kit.Slowest(all), 0, timeout+kit.Promptly)
			jitter.MustTake(t, "service", took, 0, h.recovery())
			post.Check(slack())
		})
	}
}

// arm makes up fail in that way while bad is set.
func (h hostile) arm(up *kit.Upstream, bad *atomic.Bool) {
	if h.answer != nil {
		up.On(func(kit.Request) bool { return bad.Load() }).Do(h.answer)
	}
	if h.connect != nil {
		up.OnConnect(func(x *kit.Exchange) {
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
func slack() kit.Slack {
	s := kit.DefaultSlack()
	s.FDs = 1
	s.RSS = 32 << 20
	return s
}

// TestU12WindowZeroIsBounded: dc_server stops reading while very many clients send large
// requests. Requests that the batch has no room for are answered at once, the others in time.
// Memory stays within the bounds of the batch and of unfinished requests.
func TestU12WindowZeroIsBounded(t *testing.T) {
	t.Parallel()
	const clients = 1000
	jitter := kit.MeasureJitter(t)
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint())
	post := process.Post()
	up.After(1).Do(kit.StopReading)

	request := kit.Add(1, "a session", strings.Repeat("x", 32000), time.Hour) // 32 MB in all
	var mu sync.Mutex
	var all []kit.Outcome
	var running sync.WaitGroup
	for range clients {
		running.Go(func() {
			o, err := askOnce(at, request)
			mu.Lock()
			defer mu.Unlock()
			if all = append(all, o); err != nil {
				t.Error(err)
			}
		})
	}
	running.Wait()
	slow := 0
	for _, o := range all {
		if o.Took > timeout/2 {
			slow++
		}
	}
	t.Logf("%d of %d waited for dc_server; the slowest took %v", slow, clients, kit.Slowest(all))
	if slow > clients*2/3 {
		kit.TooSlow(t, "got %d of %d that waited for dc_server, want those beyond the batch answered at once", slow, clients)
	}
	// 1,000 clients that begin together wait for each other before dc_client sees them.
	jitter.MustTake(t, "slowest answer", kit.Slowest(all), 0, timeout+kit.Promptly+200*time.Millisecond)
	process.WaitStderr(patience, "lost dc_server")

	up.Honest()
	client := kit.Dial(t, at)
	client.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	_ = client.Close()
	slack := slack()
	slack.RSS = 64 << 20 // of the bound that the start logs, which is several hundred MB
	post.Check(slack)
}

// askOnce connects, asks, which must be answered DISCONNECTED, and leaves. It takes the time
// from when the request is with dc_client's socket.
func askOnce(at kit.Endpoint, request []byte) (o kit.Outcome, err error) {
	conn, err := kit.Connect(at)
	if err != nil {
		return o, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.Write(request); err != nil {
		return o, err
	}
	o.Asked = time.Now()
	_, err = conn.ReadMessage()
	o.Took = time.Since(o.Asked)
	return o, err
}

// TestU14ResetMidFrame: after a reset all waiting clients get DISCONNECTED within 10 ms, and the
// link comes back.
func TestU14ResetMidFrame(t *testing.T) {
	t.Parallel()
	const clients = 50
	jitter := kit.MeasureJitter(t)
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := kit.NewRig(t).Client(up.Endpoint(), "-timeout=60000", millis("-retry", retry))
	up.On(func(q kit.Request) bool { return q.Conn == 1 && q.ID == "waits" }).Do(kit.Drop)
	reset := make(chan time.Time, 1)
	up.Expect(codec.OpGet, "breaks").Do(func(x *kit.Exchange) {
		kit.CutReset(10)(x)
		reset <- time.Now()
	})
	var waiting []*kit.Client
	for n := range clients {
		c := kit.Dial(t, at)
		c.Send(kit.Get(uint32(n), "waits"))
		waiting = append(waiting, c)
	}
	kit.Wait(t, patience, "requests in flight", func() bool { return up.Asked() >= 1+clients })
	last := kit.Dial(t, at)
	last.Send(kit.Get(clients, "breaks"))
	for n, c := range append(waiting, last) {
		c.Expect(kit.Status(uint32(n), codec.OpGet, codec.StatusDisconnected))
	}
	jitter.MustTake(t, "answers", time.Since(<-reset), 0, 10*time.Millisecond)
	last.AwaitStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
}
