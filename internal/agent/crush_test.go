package agent

import (
	"runtime"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/test/kit"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

const (
	// longest is how long one call may keep the loop from everybody else.
	longest = 5 * ms
	// mostPerCall is how many clients one call may write to or close, at 3 us of the kernel
	// for each, of which there is none here.
	mostPerCall = 1536
	// crushClients are all due in the same ms.
	crushClients = 100_000
	// crushRequests are held at a time, in memory that is shared out in pieces of 4 KiB.
	crushRequests = 32_768
)

// crush is an Agent for very many clients, which counts what becomes of them.
type crush struct {
	*Agent
	*front.Front
	answered, closed int
}

func newCrush(idle time.Duration) *crush {
	c := &crush{}
	const timeout = 200 * ms
	c.Agent = newSingle(Config{
		Server: upstream.Config{
			MaxInFlight: upstream.MaxInFlight, MaxBatch: 64 << 20,
			Timeout: timeout, Retry: time.Second, Random: func(b []byte) { clear(b) },
		},
		Idle:   idle,
		Window: 1, Gets: 1,
	}, crushLink{}, c)
	c.Front = c.Agent.AddFront(front.NewDistcache(), c, buffer.NewPool(crushRequests<<12))
	c.Agent.Start(0)
	return c
}

// connect answers the probe.
func (c *crush) connect() {
	link := c.Server().Link()
	link.Connected(0)
	link.Received(copy(link.Buffer(), codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK)), 0)
}

// come lets that many clients come, and ask if so wanted.
func (c *crush) come(clients int, asking bool) {
	request := codec.AppendMessage(nil, codec.Request, 1, codec.OpHave, []byte("a session"))
	for i := range clients {
		c.Opened(i, 0)
		if asking {
			c.Received(i, c.Buffer(i)[:copy(c.Buffer(i), request)], 0)
		}
	}
	c.TurnEnded(0)
}

// work calls Expire for as long as something is due, and gives how long the longest call took.
func (c *crush) work(t *testing.T, now time.Duration) (calls int, slowest time.Duration) {
	for ; c.Deadline() <= now; calls++ {
		slowest = max(slowest, c.call(t, func() { c.Expire(now) }))
	}
	return calls, slowest
}

// call gives the processor time that fn takes, and holds to how many clients it turns.
func (c *crush) call(t *testing.T, fn func()) time.Duration {
	t.Helper()
	before := c.answered + c.closed
	start := threadTime(t)
	fn()
	took := threadTime(t) - start
	if turned := c.answered + c.closed - before; turned > mostPerCall {
		t.Errorf("got %d clients answered or closed in one call, want %d at most", turned, mostPerCall)
	}
	return took
}

// Deadline, Expire and TurnEnded are the Agent's, which calls the Front's.
func (c *crush) Deadline() time.Duration     { return c.Agent.Deadline() }
func (c *crush) Expire(now time.Duration)    { c.Agent.Expire(now) }
func (c *crush) TurnEnded(now time.Duration) { c.Agent.TurnEnded(now) }

func (c *crush) Write(int, []byte) (held bool, err error) { c.answered++; return false, nil }
func (c *crush) EndTurn()                                 {}
func (c *crush) WriteParted(client int, b []byte, _ int) (held bool, err error) {
	return c.Write(client, b)
}
func (c *crush) Unread(int) int { return 0 }
func (c *crush) Resume(int)     {}
func (c *crush) Close(int)      { c.closed++ }

func (c *crush) LinkChanged(_, _ upstream.State, _ error, _ time.Duration) {}
func (c *crush) ServingChanged(_, _ *upstream.Member, _ time.Duration)     {}
func (c *crush) ClientDropped(int, front.Reason, error, time.Duration)     {}

// crushLink is an upstream.Transport that takes everything.
type crushLink struct{}

func (crushLink) Drive(*upstream.Link)        {}
func (crushLink) Dial()                       {}
func (crushLink) Close()                      {}
func (crushLink) Write(b []byte) (int, error) { return len(b), nil }

// threadTime is the processor time that the calling thread has used.
func threadTime(t *testing.T) time.Duration {
	t.Helper()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts); err != nil {
		t.Fatal(err)
	}
	return time.Duration(ts.Nano())
}

// TestT07TimersDueAtOnceAreSplit: when very many clients are due in the same ms, whatever
// for, no call keeps the loop for long, and all of them get what is theirs.
func TestT07TimersDueAtOnceAreSplit(t *testing.T) {
	if testing.Short() {
		t.Skip("-short, as with the race detector: CPU time says nothing there")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const inFlight = upstream.MaxInFlight
	for _, row := range []struct {
		name string
		run  func(t *testing.T) (calls int, slowest time.Duration)
	}{
		{"idle", func(t *testing.T) (int, time.Duration) {
			c := newCrush(time.Second)
			c.connect()
			c.come(crushClients, false)
			calls, slowest := c.work(t, time.Second)
			wantCount(t, "closed", c.closed, crushClients)
			return calls, slowest
		}},
		{"waiting for the first connection", func(t *testing.T) (int, time.Duration) {
			c := newCrush(deadline.Never)
			c.come(crushRequests, true)
			calls, slowest := c.work(t, FirstWait)
			wantCount(t, "answered", c.answered, crushRequests)
			return calls, slowest
		}},
		{"timed out", func(t *testing.T) (int, time.Duration) {
			c := newCrush(deadline.Never)
			c.connect()
			c.come(inFlight, true)
			calls, slowest := c.work(t, 200*ms)
			wantCount(t, "answered", c.answered, inFlight)
			return calls, slowest
		}},
		{"lost", func(t *testing.T) (int, time.Duration) {
			c := newCrush(deadline.Never)
			c.connect()
			c.come(inFlight, true)
			lost := c.call(t, func() { c.Server().Link().Broken(unix.ECONNRESET, 1*ms) })
			calls, slowest := c.work(t, 1*ms)
			wantCount(t, "answered", c.answered, inFlight)
			return calls, max(slowest, lost)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			slowest := longest
			for range 5 { // once could be a collection of garbage, or memory far away
				runtime.GC()
				calls, took := row.run(t)
				t.Logf("%d calls, the longest took %v", calls, took)
				if slowest = min(slowest, took); slowest < longest || t.Failed() || !kit.TimesJudged() {
					break
				}
			}
			if slowest >= longest {
				kit.TooSlow(t, "got a call of %v in each run, want all under %v", slowest, longest)
			}
		})
	}
}

func wantCount(t *testing.T, what string, got, want int) {
	t.Helper()
	if got != want {
		t.Errorf("got %d %s, want %d", got, what, want)
	}
}

// TestT07StopTellsAllThatAreLost: at the end nobody is left for later turns.
func TestT07StopTellsAllThatAreLost(t *testing.T) {
	c := newCrush(deadline.Never)
	c.connect()
	c.come(upstream.MaxInFlight, true)
	c.Stop(1 * ms)
	wantCount(t, "answered", c.answered, upstream.MaxInFlight)
}
