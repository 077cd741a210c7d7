package conn

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/engine/poll"
	"distcache/internal/test/kit"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// byHand is a Poller whose posts the test runs, or drops, and a Server over a Conn that has
// it. So the test decides what comes first: the end of an attempt, or Close.
type byHand struct {
	t      *testing.T
	server *upstream.Server
	conn   *Conn
	posts  chan func()
	now    time.Duration
	ended  bool // the loop has ended: Post fails
	states []upstream.State
}

const byHandRetry = time.Second

func newByHand(t *testing.T, port int) *byHand {
	t.Helper()
	b := &byHand{t: t, posts: make(chan func(), 1000)}
	b.conn = New(b, address.Address{Kind: address.TCP, Host: goodIP, Port: uint16(port)})
	config := upstream.Config{
		MaxInFlight: 10, MaxBatch: 1 << 20,
		Timeout: long, Retry: byHandRetry, Random: func(b []byte) { clear(b) },
	}
	b.server = upstream.New(config, b.conn, b, b)
	t.Cleanup(func() { b.server.Stop(0) })
	return b
}

// Attach, Watch, Close, Post and Now implement Poller.
func (b *byHand) Attach(int, poll.Handler) error { return nil }
func (b *byHand) Watch(int, poll.Interest) error { return nil }
func (b *byHand) Close(fd int)                   { _ = unix.Close(fd) }
func (b *byHand) Now() time.Duration             { return b.now }

func (b *byHand) Post(fn func()) error {
	if b.ended {
		return poll.ErrStopped
	}
	b.posts <- fn
	return nil
}

// LinkChanged implements upstream.Watcher.
func (b *byHand) LinkChanged(_, to upstream.State, _ error, _ time.Duration) {
	b.states = append(b.states, to)
}

// Answer implements upstream.Answers.
func (b *byHand) Answer(upstream.Owner, []byte, time.Duration) bool { return true }

// posted waits for the end of an attempt, and gives what the loop is to run then.
func (b *byHand) posted() func() {
	b.t.Helper()
	select {
	case fn := <-b.posts:
		return fn
	case <-time.After(patience):
		b.t.Fatal("the attempt does not end")
		return nil
	}
}

// TestStaleAttemptsAreNotReported ends an attempt, then lets the loop run what it had posted:
// with no attempt under way, and with the next one.
func TestStaleAttemptsAreNotReported(t *testing.T) {
	accepting := listen(t, "tcp", goodIP+":0", silent)
	targets := []struct {
		name string
		port int
	}{{"connected", portOf(accepting)}, {"refused", freePort(t)}}
	for _, target := range targets {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/again=%v", target.name, again), func(t *testing.T) {
				b := newByHand(t, target.port)
				b.server.Start(0)
				stale := b.posted()
				b.server.Link().Broken(upstream.ErrClosed, 0)
				want := []upstream.State{upstream.Connecting, upstream.Down}
				if again {
					b.server.Expire(byHandRetry)
					want = append(want, upstream.Connecting)
					b.posted() // dropped
				}
				stale()
				if got := b.states; fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("got the states %v, want %v", got, want)
				}
			})
		}
	}
}

// TestAttemptIsReported is the other side of the test above.
func TestAttemptIsReported(t *testing.T) {
	b := newByHand(t, portOf(listen(t, "tcp", goodIP+":0", silent)))
	b.server.Start(0)
	b.posted()()
	if got := b.server.State(); got != upstream.Probing {
		t.Errorf("got %v, want probing", got)
	}
}

// TestClosedAttemptsLeaveNoDescriptors closes attempts at all stages, and counts what stays
// open. Not parallel: others would open some meanwhile.
func TestClosedAttemptsLeaveNoDescriptors(t *testing.T) {
	port := portOf(listen(t, "tcp", goodIP+":0", silent))
	attempt := func(t *testing.T, i int) {
		b := newByHand(t, port)
		b.server.Start(0)
		switch i % 4 {
		case 0: // at once
		case 1: // somewhere on the way
			time.Sleep(time.Duration(i%300) * time.Microsecond)
		case 2: // connected, and the loop has not looked yet
			b.posted()
		case 3: // connected, and the loop has looked
			b.posted()()
		}
		b.server.Stop(0)
	}
	wantNoMoreDescriptors(t, func() {
		for i := range kit.Sized(100, 200) {
			attempt(t, i)
		}
	})
}

// TestEndedLoopLeavesNoDescriptors lets the loop end before the attempts.
func TestEndedLoopLeavesNoDescriptors(t *testing.T) {
	port := portOf(listen(t, "tcp", goodIP+":0", silent))
	wantNoMoreDescriptors(t, func() {
		for range 50 {
			b := newByHand(t, port)
			b.ended = true
			b.server.Start(0)
			awaitNoDial(t)
		}
	})
}

// wantNoMoreDescriptors runs fn twice: what the second time leaves open is a leak.
func wantNoMoreDescriptors(t *testing.T, fn func()) {
	t.Helper()
	fn() // what the runtime opens once
	awaitNoDial(t)
	before := kit.OwnDescriptors(t)
	fn()
	awaitNoDial(t)
	wantClosed(t, before)
}

// TestDialEndsSoonAfterClose: a goroutine that nobody waits for any more does not go on for
// as long as an attempt may take.
func TestDialEndsSoonAfterClose(t *testing.T) {
	port := fullBacklog(t, goodIP, 0)
	b := newByHand(t, port)
	began := time.Now()
	b.server.Start(0)
	b.conn.attempt.awaitConnecting(t)
	b.server.Link().Broken(errors.New("as the test wants it"), 0)
	awaitNoDial(t)
	if took := time.Since(began); took >= upstream.AttemptTimeout {
		kit.TooSlow(t, "the goroutine went on for %v, which is a whole attempt", took)
	}
	if len(b.posts) > 0 {
		t.Error("it posted something after Close")
	}
}

// awaitNoDial waits until no goroutine of an attempt is left.
func awaitNoDial(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(patience); dialing(t) > 0; time.Sleep(ms / 10) {
		if time.Now().After(deadline) {
			t.Fatal("a goroutine still dials")
		}
	}
}

// dialing is the number of goroutines that Dial has begun and that have not ended.
func dialing(t *testing.T) int {
	t.Helper()
	stacks := make([]byte, 1<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return strings.Count(string(stacks), "created by distcache/upstream/conn.(*Conn).Dial")
}

// TestOldLookUpsAreDropped: an attempt days later looks the name up anew.
func TestOldLookUpsAreDropped(t *testing.T) {
	b := newByHand(t, freePort(t))
	b.conn.target.Host = "localhost"
	b.conn.lookup = address.StartLookup(b.conn.target)
	old := b.conn.lookup
	b.now = time.Second
	b.conn.Dial()
	b.conn.Close()
	if b.conn.lookup != old {
		t.Error("got another look-up at the next attempt, want the one that had not ended in time")
	}
	b.conn.lookup = address.StartLookup(b.conn.target)
	old, b.now = b.conn.lookup, 24*time.Hour
	b.conn.Dial()
	b.conn.Close()
	if b.conn.lookup == old {
		t.Error("got the look-up of yesterday")
	}
}
