package load

import (
	"distcache/bench/load/plan"
	"sync"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

func TestRateIsKept(t *testing.T) {
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := serve(t)
			c := configFor(t, server.Endpoint())
			mode(&c)
			c.Operations, c.Duration, c.Rate = 0, 250*time.Millisecond, 400
			r := runs(t, c)
			if got := r.Count(); got < 98 || got > 101 {
				t.Errorf("got %d operations in a quarter of a second, want the 100 that were due", got)
			}
			if got := float64(r.Count()) / r.Elapsed.Seconds(); got <= 0 || got > 440 || kit.Full() && got < 100 {
				t.Errorf("got a rate of %.0f/s, want 400", got)
			}
			if got := uint64(r.StartDelay.TotalCount()); got != r.Count() {
				t.Errorf("got %d delays of the start, want one for each of %d operations", got, r.Count())
			}
		})
	}
}

// TestNoCoordinatedOmission has a server pause once for a second. Operations that were due meanwhile must show the wait,
// though the client could not even begin them.
func TestNoCoordinatedOmission(t *testing.T) {
	const pause, long = 600 * time.Millisecond, 150 * time.Millisecond
	paused := func(open bool) *plan.Result {
		server := serve(t)
		var once sync.Once
		server.On(func(q kit.Request) bool { return q.Number > 100 }).Do(func(x *kit.Exchange) {
			once.Do(func() { time.Sleep(pause) })
			kit.Pass(x)
		})
		c := configFor(t, server.Endpoint())
		c.KeepAlive, c.Operations = true, 500
		if open {
			c.Rate = 500
		}
		return runs(t, c)
	}
	slow := func(r *plan.Result) int64 {
		n := int64(0)
		for _, bar := range r.Latency().Distribution() {
			if bar.From > int64(long) {
				n += bar.Count
			}
		}
		return n
	}
	// 300 of 500 operations are due during the pause; those of its first three quarters wait over a quarter of it.
	switch got := slow(paused(true)); {
	case got < 180:
		t.Errorf("open loop: got %d operations that took over %v, want some 225", got, long)
	case got > 480:
		kit.TooSlow(t, "open loop: got %d operations that took over %v, want some 225", got, long)
	}
	switch got := slow(paused(false)); {
	case got < 1:
		t.Errorf("closed loop: got none that took over %v, want the one that met the pause", long)
	case got > 50:
		kit.TooSlow(t, "closed loop: got %d operations that took over %v, want the one that met the pause", got, long)
	}
}

func TestOverloadIsToldNotHidden(t *testing.T) {
	t.Parallel()
	server := serve(t)
	server.On(always).Do(kit.Delay(50 * time.Millisecond))
	c := configFor(t, server.Endpoint())
	c.Operations, c.Duration, c.Rate, c.KeepAlive = 0, 300*time.Millisecond, 1000, true
	c.AnswerLimit = 3 * time.Second // so late may an answer be where the machine is busy; it has time for 66 of them
	r := runs(t, c)
	if due := r.Count() + r.Unstarted; due < 298 || due > 301 || r.Unstarted < 200 {
		t.Errorf("got %d operations and %d never begun, want some 300 together, most never begun", r.Count(), r.Unstarted)
	}
	if got := time.Duration(r.Latency().Max()); got < 200*time.Millisecond || got > patience {
		t.Errorf("got a latency of %v at most, want the wait to count", got)
	}
}

// TestLateAnswersHideNoOthers has some clients of many wait long, more than are slept on: the others' latency must not
// follow.
func TestLateAnswersHideNoOthers(t *testing.T) {
	t.Parallel()
	const late = 1500 * time.Millisecond
	server := serve(t)
	server.On(func(q kit.Request) bool { return q.UID%8 == 0 }).Do(kit.Late(late))
	c := configFor(t, server.Endpoint())
	c.Clients, c.Operations, c.Rate, c.KeepAlive = 500, 500, 500, true // one operation for each client
	c.Mix = plan.Mix{Get: 1}
	r := runs(t, c)
	all := r.Latency()
	if got := time.Duration(all.ValueAtPercentile(75)); got > late/2 {
		kit.TooSlow(t, "got three in four within %v, want them well under the %v of the late ones", got, late)
	}
	if got := time.Duration(all.Max()); got < late || got > patience {
		t.Errorf("got a latency of %v at most, want %v for the late ones", got, late)
	}
	if got := r.Operations[codec.OpGet].Count(); got != c.Operations {
		t.Errorf("got %d operations, want %d", got, c.Operations)
	}
}
