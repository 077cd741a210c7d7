package poll

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"
)

// TestP13Order posts thousands of functions while the loop is busy: all run, in the order in
// which they were posted.
func TestP13Order(t *testing.T) {
	const count = 5000
	r := run(t, nil)
	hold := make(chan struct{})
	var got []int
	if err := r.Post(func() { <-hold }); err != nil {
		t.Fatal(err)
	}
	want := make([]int, count)
	for i := range count {
		want[i] = i
		if err := r.Post(func() { got = append(got, i) }); err != nil {
			t.Fatal(err)
		}
	}
	close(hold)
	r.do(func() {})
	if !slices.Equal(got, want) {
		t.Errorf("got %d functions run, in order: %v, want %d in order", len(got), slices.IsSorted(got), count)
	}
}

// TestP12EveryPostRunsOnce posts from many goroutines at once; each one's own order holds.
func TestP12EveryPostRunsOnce(t *testing.T) {
	const posters, each = 16, 500
	r := run(t, nil)
	got := make([][]int, posters)
	var all sync.WaitGroup
	for poster := range posters {
		all.Go(func() {
			for i := range each {
				if err := r.Post(func() { got[poster] = append(got[poster], i) }); err != nil {
					t.Errorf("Post: %v", err)
				}
			}
		})
	}
	all.Wait()
	r.do(func() {})
	for poster, runs := range got {
		if len(runs) != each || !slices.IsSorted(runs) {
			t.Errorf("poster %d: got %d runs, in order: %v, want %d in order", poster, len(runs), slices.IsSorted(runs), each)
		}
	}
}

// TestP14SelfPostingStarvesNobody has a function that posts itself again whenever it runs.
func TestP14SelfPostingStarvesNobody(t *testing.T) {
	r := run(t, nil)
	var on atomic.Bool
	on.Store(true)
	runs := 0
	var again func()
	again = func() {
		runs++
		if on.Load() {
			_ = r.Post(again)
		}
	}
	starve(t, r, func() { _ = r.Post(again) }, func() { on.Store(false) })
	r.do(func() {
		if runs < 2 {
			t.Errorf("the function ran %d times, want more than once", runs)
		}
	})
}

// TestP14FastPostersStarveNobody has goroutines that post as fast as they can.
func TestP14FastPostersStarveNobody(t *testing.T) {
	r := run(t, nil)
	var on atomic.Bool
	on.Store(true)
	var posters sync.WaitGroup
	var queued atomic.Int64
	begin := func() {
		for range 4 {
			posters.Go(func() {
				for on.Load() {
					if queued.Load() < 10_000 { // else it is memory that runs out
						queued.Add(1)
						_ = r.Post(func() { queued.Add(-1) })
					}
				}
			})
		}
	}
	starve(t, r, begin, func() { on.Store(false); posters.Wait() })
}

// starve begins what may keep the loop busy and sees whether a descriptor and a timer
// still get their turns.
func starve(t *testing.T, r *running, begin, end func()) {
	t.Helper()
	e := pair(t)
	defer e.close()
	fired := make(chan struct{}, 1)
	r.do(func() {
		r.watch(e.polled, Read, func(Events) {
			b := make([]byte, 8)
			if n, _ := unix.Read(e.polled, b); n > 0 {
				_, _ = unix.Write(e.polled, b[:n])
			}
		})
		timer, err := r.NewTimer(func() { fired <- struct{}{} })
		if err == nil {
			err = timer.Set(1)
		}
		if err != nil {
			t.Error(err)
		}
		t.Cleanup(func() { // before Run ends, which may not be until end was called
			end()
			_ = r.Stop()
			_ = r.wait()
			_ = timer.Close()
		})
	})
	begin()
	b := make([]byte, 8)
	for range 20 {
		e.send(t, "ping")
		if n, err := e.read(b); string(b[:n]) != "ping" {
			t.Fatalf("got %q, %v, want the descriptor served", b[:n], err)
		}
	}
	receive(t, fired, "timer event")
	end()
}

// TestP15EndOfTurn has eight events in one turn: its end comes once, behind all of them,
// with nothing else to wake the loop.
func TestP15EndOfTurn(t *testing.T) {
	var log []string
	r := run(t, func() { log = append(log, "end") })
	const count = 8
	all := make([]ends, count)
	r.do(func() {
		for i := range all {
			all[i] = pair(t)
			all[i].send(t, "x")
			r.watch(all[i].polled, Read, func(Events) {
				log = append(log, "ready")
				_ = r.Watch(all[i].polled, None)
				r.EndTurn()
				r.EndTurn() // asking twice is as good as once
			})
		}
	})
	var got []string
	wait(t, "end of the turn", func() bool {
		r.do(func() { got = slices.Clone(log) })
		return len(got) > count
	})
	want := append(slices.Repeat([]string{"ready"}, count), "end")
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	for _, e := range all {
		e.close()
	}
}

// TestEndOfTurnWithinItself: what the end of a turn starts gets an end of its own, with
// no event in between.
func TestEndOfTurnWithinItself(t *testing.T) {
	ends := make(chan int, 8)
	n := 0
	var r *running
	r = run(t, func() {
		n++
		ends <- n
		if n < 3 {
			r.EndTurn()
		}
	})
	r.do(r.EndTurn)
	for want := 1; want <= 3; want++ {
		if got := receive(t, ends, "end of turn"); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
}

// TestCloseEndsTheTurn: the owner hears of the end of a turn in which something was closed,
// while the number is still taken.
func TestCloseEndsTheTurn(t *testing.T) {
	e := pair(t)
	open := make(chan bool, 1)
	r := run(t, func() { open <- isOpen(e.polled) })
	r.do(func() {
		_ = r.Attach(e.polled, handlerFunc(func(Events) {}))
		r.Close(e.polled)
	})
	if !receive(t, open, "end of turn") {
		t.Error("at the end of the turn the number is free already, want it taken")
	}
	wait(t, "end of the stream", e.closed)
	_ = unix.Close(e.own)
}
