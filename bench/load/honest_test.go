package load

import (
	"context"
	"distcache/bench/load/plan"
	"errors"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestHonestServerPasses(t *testing.T) {
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			c := configFor(t, server.Endpoint())
			mode(&c)
			r := runs(t, c)
			if r.Count() != c.Operations || r.Failed() != 0 || r.Lost() != 0 {
				t.Errorf("got %d operations, %d failed, %d lost, want %d, 0, 0", r.Count(), r.Failed(), r.Lost(), c.Operations)
			}
			if got := server.Asked(); uint64(got) != c.Operations {
				t.Errorf("the server got %d requests, want %d", got, c.Operations)
			}
			checkOperations(t, r)
			checkConnections(t, &c, r)
		})
	}
}

// checkOperations checks that every operation occurs, with both outcomes, and has its latency.
func checkOperations(t *testing.T, r *plan.Result) {
	t.Helper()
	for op := range r.Operations {
		o := &r.Operations[op]
		if o.Hits == 0 || o.Misses == 0 {
			t.Errorf("%v: got %d hits and %d misses, want some of both", o.Op, o.Hits, o.Misses)
		}
		if got := uint64(o.Latency.TotalCount()); got != o.Count() {
			t.Errorf("%v: got %d latencies, want one for each of %d", o.Op, got, o.Count())
		}
		if low, high := o.Latency.Min(), o.Latency.Max(); low <= 0 || high > int64(patience) {
			t.Errorf("%v: got latencies from %d to %d ns, want them over 0 and under %v", o.Op, low, high, patience)
		}
	}
}

func checkConnections(t *testing.T, c *plan.Config, r *plan.Result) {
	t.Helper()
	want := c.Operations
	if c.KeepAlive {
		want = uint64(c.Clients)
	}
	if r.Connections != want {
		t.Errorf("got %d connections, want %d", r.Connections, want)
	}
}

func TestSizes(t *testing.T) {
	tests := map[string]struct{ low, high int }{
		"smallest":            {plan.MinData, 9},
		"around a frame":      {2020, 2060},
		"several frames":      {4000, 9000},
		"as long as they may": {plan.MaxData - 5, plan.MaxData},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			server := serve(t)
			c := configFor(t, server.Endpoint())
			c.Operations, c.KeepAlive, c.Pipeline = 200, true, 5
			c.DataMin, c.DataMax = test.low, test.high
			r := runs(t, c)
			if gets := r.Operations[codec.OpGet]; gets.Hits == 0 {
				t.Errorf("got no GET that found data, want some")
			}
		})
	}
}

func TestAnswersInPieces(t *testing.T) {
	server := serve(t)
	server.On(func(kit.Request) bool { return true }).Do(kit.ByteByByte)
	c := configFor(t, server.Endpoint())
	c.Operations, c.Clients, c.DataMin, c.DataMax = 100, 4, 50, 300
	if r := runs(t, c); r.Count() != c.Operations {
		t.Errorf("got %d operations, want %d", r.Count(), c.Operations)
	}
}

func TestTCP(t *testing.T) {
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			server := kit.NewUpstream(t, kit.Loopback())
			c := configFor(t, server.Endpoint())
			c.DataMax = 20_000
			c.Operations = 150
			mode(&c)
			if r := runs(t, c); r.Count() != c.Operations || r.Failed() != 0 {
				t.Errorf("got %d operations, %d failed, want %d, 0", r.Count(), r.Failed(), c.Operations)
			}
		})
	}
}

func TestExpiryIsKnown(t *testing.T) {
	t.Parallel()
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Operations, c.Duration = 0, 900*time.Millisecond
	c.Clients, c.Sessions, c.KeepAlive = 4, 20, true
	c.Rate = 1500
	c.Timeout, c.TimeVar, c.Slack = 150*time.Millisecond, 100*time.Millisecond, 20*time.Millisecond
	c.Mix = plan.Mix{Add: 4, Get: 4, Have: 2}
	r := runs(t, c)
	adds := &r.Operations[codec.OpAdd]
	// 80 sessions that live 150 ms in the mean and are asked for all the time are added some three times each.
	if adds.Hits < 120 {
		t.Errorf("got %d sessions added, want over 120: they expire and are added again", adds.Hits)
	}
}

func TestTLSMixAddsNewSessions(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	mix, err := plan.ParseMix(plan.MixTLS13)
	if err != nil {
		t.Fatal(err)
	}
	c.Mix, c.IDMin, c.IDMax = mix, plan.TLSIDLen, plan.TLSIDLen
	c.DataMin, c.DataMax = plan.TLSDataMin, plan.TLSDataMax
	r := runs(t, c)
	adds, gets := &r.Operations[codec.OpAdd], &r.Operations[codec.OpGet]
	if adds.Misses != 0 || adds.Hits < 650 || adds.Hits > 850 {
		t.Errorf("got %d ADDs accepted and %d refused of 1000 operations, want some 750 and none", adds.Hits, adds.Misses)
	}
	if gets.Hits < gets.Misses {
		t.Errorf("got %d GETs that hit and %d that miss, want mostly hits", gets.Hits, gets.Misses)
	}
	for _, q := range server.Requests() {
		if len(q.ID) != plan.TLSIDLen {
			t.Fatalf("got an ID of %d bytes, want %d", len(q.ID), plan.TLSIDLen)
		}
	}
}

func TestPreloadIsNotCounted(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Clients, c.Sessions, c.Preload = 5, 30, true
	c.Mix = plan.Mix{Get: 1}
	r := runs(t, c)
	gets := &r.Operations[codec.OpGet]
	if gets.Hits != c.Operations || r.Count() != c.Operations {
		t.Errorf("got %d hits of %d operations, want all %d to hit", gets.Hits, r.Count(), c.Operations)
	}
	if got, want := server.Asked(), int(c.Operations)+5*30; got != want {
		t.Errorf("the server got %d requests, want %d", got, want)
	}
}

func TestDurationAndWarmup(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Operations, c.Duration, c.Warmup = 0, 300*time.Millisecond, 200*time.Millisecond
	c.KeepAlive = true
	before, after, open := 0, 0, 0
	c.OnMeasure = func() { before = server.Asked() }
	c.OnEnd = func() { after, open = server.Asked(), server.Open() }
	began := time.Now()
	r := runs(t, c)
	if took := time.Since(began); took < c.Duration+c.Warmup || took > patience {
		t.Errorf("got a run of %v, want at least %v", took, c.Duration+c.Warmup)
	}
	if r.Elapsed < c.Duration/2 || r.Elapsed > patience {
		t.Errorf("got %v measured, want about %v", r.Elapsed, c.Duration)
	}
	if before == 0 {
		t.Error("nothing was asked while warming up")
	}
	// The request that is under way at that instant counts.
	if got, want := r.Count(), uint64(after-before); got < want || got > want+1 {
		t.Errorf("got %d operations counted, want the %d of the measurement", got, want)
	}
	if after != server.Asked() || open != 1 {
		t.Errorf("at the end: got %d requests and %d connections, want all %d and the one still open", after, open, server.Asked())
	}
}

func TestProgress(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Progress = new(plan.Progress)
	runs(t, c)
	if got := c.Progress.Done(); got == 0 || got > c.Operations {
		t.Errorf("got %d done, want 1 to %d", got, c.Operations)
	}
	if got := c.Progress.Phase(); got != plan.Draining {
		t.Errorf("got phase %v, want %v", got, plan.Draining)
	}
}

func TestCancelEndsTheRun(t *testing.T) {
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Operations, c.Duration, c.Clients = 0, time.Hour, 10
	ctx, cancel := context.WithCancel(testContext(t))
	c.OnMeasure = func() {
		go func() {
			kit.Within(patience, func() bool { return server.Asked() > 100 })
			cancel()
		}()
	}
	r, err := Run(ctx, c)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got error %v, want %v", err, context.Canceled)
	}
	if r.Count() < 100 {
		t.Errorf("got %d operations in the result, want those before the end", r.Count())
	}
}
