package upstream

import (
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/testkit"
)

// TestU12WindowZeroIsBounded: dc_server reads no more while very many clients send large
// requests. What goes beyond the batch is answered at once, the rest in time, and memory
// stays within what the batch and unfinished requests may take.
func TestU12WindowZeroIsBounded(t *testing.T) {
	t.Parallel()
	const clients = 1000
	jitter := testkit.MeasureJitter(t)
	up := testkit.NewUpstream(t, testkit.Loopback())
	process, at := startLinked(t, up.Endpoint())
	post := process.Post()
	up.After(1).Do(testkit.StopReading)

	request := testkit.Add(1, "a session", strings.Repeat("x", 32000), time.Hour) // 32 MB in all
	var mu sync.Mutex
	var all []testkit.Outcome
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
	t.Logf("%d of %d waited for dc_server; the slowest took %v", slow, clients, testkit.Slowest(all))
	if slow > clients*2/3 {
		t.Errorf("got %d of %d that waited for dc_server, want those beyond the batch answered at once", slow, clients)
	}
	// 1,000 clients that begin together wait for each other before dc_client sees them.
	jitter.MustTake(t, "slowest answer", testkit.Slowest(all), 0, timeout+testkit.Promptly+200*time.Millisecond)
	process.WaitStderr(patience, "lost dc_server")

	up.Honest()
	client := testkit.Dial(t, at)
	testkit.Wait(t, patience, "service", func() bool {
		return client.Answer(testkit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
	})
	_ = client.Close()
	slack := slack()
	slack.RSS = 64 << 20 // of the bound that the start logs, which is several hundred MB
	post.Check(slack)
}

// askOnce connects, asks, which must be answered DISCONNECTED, and leaves. It takes the time
// from when the request is with dc_client's socket.
func askOnce(at testkit.Endpoint, request []byte) (o testkit.Outcome, err error) {
	conn, err := testkit.Connect(at)
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

// TestU14ResetMidFrame: all who wait are told within 10 ms, and the link comes back.
func TestU14ResetMidFrame(t *testing.T) {
	t.Parallel()
	const clients = 50
	jitter := testkit.MeasureJitter(t)
	up := testkit.NewUpstream(t, testkit.Loopback())
	process, at := start(t, up.Endpoint(), "-timeout=60000", millis("-retry", retry))
	process.WaitStderr(patience, "connected to dc_server")
	up.On(func(q testkit.Request) bool { return q.Conn == 1 && q.ID == "waits" }).Do(testkit.Drop)
	reset := make(chan time.Time, 1)
	up.Expect(codec.OpGet, "breaks").Do(func(x *testkit.Exchange) {
		testkit.CutReset(10)(x)
		reset <- time.Now()
	})
	var waiting []*testkit.Client
	for n := range clients {
		c := testkit.Dial(t, at)
		c.Send(testkit.Get(uint32(n), "waits"))
		waiting = append(waiting, c)
	}
	testkit.Wait(t, patience, "requests in flight", func() bool { return up.Asked() >= 1+clients })
	last := testkit.Dial(t, at)
	last.Send(testkit.Get(clients, "breaks"))
	for n, c := range append(waiting, last) {
		c.Expect(testkit.Status(uint32(n), codec.OpGet, codec.StatusDisconnected))
	}
	jitter.MustTake(t, "answers", time.Since(<-reset), 0, 10*time.Millisecond)
	testkit.Wait(t, patience, "service", func() bool {
		return last.Answer(testkit.Have(1, "nobody's"))[0] == byte(codec.StatusNotOK)
	})
}
