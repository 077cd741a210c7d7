package upstream

import (
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestU12WindowZeroIsBounded: dc_server reads no more while very many clients send large
// requests. What goes beyond the batch is answered at once, the rest in time, and memory
// stays within what the batch and unfinished requests may take.
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

// TestU14ResetMidFrame: all who wait are told within 10 ms, and the link comes back.
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
