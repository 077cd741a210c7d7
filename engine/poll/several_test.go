package poll

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// TestSeveralLoopsWaitByThemselves: while one loop keeps its thread busy, another one gets its events at
// once. Through Go's poller it would get them 10 ms later.
func TestSeveralLoopsWaitByThemselves(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	a, b := severalLoop(t), severalLoop(t)
	const attempts = 50
	took := make([]time.Duration, 0, attempts)
	var woken chan struct{}
	var timer *Timer
	b.do(func() {
		timer, _ = b.NewTimer(func() {
			began := time.Now()
			_ = a.Post(func() { took = append(took, time.Since(began)); close(woken) })
			for time.Since(began) < 15*time.Millisecond {
				select {
				case <-woken:
					return
				default:
				}
			}
		})
	})
	for range attempts {
		woken = make(chan struct{})
		b.do(func() { _ = timer.Set(12 * time.Millisecond) }) // until then all threads sleep
		receive(t, woken, "turn of the other loop")
		b.do(func() {})
	}
	slices.Sort(took)
	if good := took[attempts/10]; good > 5*time.Millisecond {
		kit.TooSlow(t, "the other loop was woken after %v in the best tenth, want 5 ms at most", good)
	}
}

// TestSeveralLoopsInTime measures how late a loop is that sleeps for 3 ms at a time, beside one that sleeps for moments.
func TestSeveralLoopsInTime(t *testing.T) {
	kit.NeedFull(t, "compares times")
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	a, b := severalLoop(t), severalLoop(t)
	b.do(func() {
		var timer *Timer
		timer, _ = b.NewTimer(func() { _ = timer.Set(200 * time.Microsecond) })
		_ = timer.Set(1)
	})
	const n, pause = 300, 3 * time.Millisecond
	late, done := make([]time.Duration, 0, n), make(chan struct{})
	a.do(func() {
		var timer *Timer
		var due time.Time
		set := func() { due = time.Now().Add(pause); _ = timer.Set(pause) }
		timer, _ = a.NewTimer(func() {
			if late = append(late, time.Since(due)); len(late) == n {
				close(done)
				return
			}
			set()
		})
		set()
	})
	receive(t, done, "end of the sleeps")
	slices.Sort(late)
	t.Logf("late by %v in the median, %v at 90 %%", late[n/2], late[n*9/10])
	if late[n/2] > time.Millisecond {
		kit.TooSlow(t, "late by %v in the median, want at most 1 ms", late[n/2])
	}
}

// severalLoop is run for one of several.
func severalLoop(t *testing.T) *running {
	t.Helper()
	return runWith(t, nil, (*Poller).OneOfSeveral)
}
