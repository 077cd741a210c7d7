package daemon

import (
	"errors"
	"testing"
	"time"
)

// deskLoop is a loop that runs what was posted when the test says so.
type deskLoop struct {
	posted []func()
	ended  bool
}

func (l *deskLoop) post(fn func()) error {
	if l.ended {
		return errors.New("ended")
	}
	l.posted = append(l.posted, fn)
	return nil
}

func (l *deskLoop) turn() {
	for _, fn := range l.posted {
		fn()
	}
	l.posted = nil
}

// beats gives how many of n beats pass before the loop counts as stuck.
func beats(w *watchdog, n int) int {
	for passed := range n {
		if w.beat() {
			return passed
		}
	}
	return n
}

func TestO23StuckIsWhoAnswersNoBeatForHalfAMinute(t *testing.T) {
	if stuckAfter != 30*time.Second {
		t.Errorf("got a limit of %v, want 30s", stuckAfter)
	}
	const watchBeats = int(stuckAfter / watchBeat)
	for _, row := range []struct {
		name string
		test func(l *deskLoop, w *watchdog) (got int)
		want int
	}{
		{"never answers", func(_ *deskLoop, w *watchdog) int { return beats(w, 100) }, watchBeats},
		{"always answers", func(l *deskLoop, w *watchdog) (passed int) {
			for range 100 {
				passed += beats(w, 1)
				l.turn()
			}
			return passed
		}, 100},
		{"answers just in time", func(l *deskLoop, w *watchdog) (passed int) {
			for range 10 {
				passed += beats(w, watchBeats)
				l.turn()
			}
			return passed
		}, 10 * watchBeats},
		{"answers, then no more", func(l *deskLoop, w *watchdog) int {
			w.beat()
			l.turn()
			return beats(w, 100)
		}, watchBeats},
		{"has ended", func(l *deskLoop, w *watchdog) int {
			l.ended = true
			return beats(w, 100)
		}, 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			l := &deskLoop{}
			w := newWatchdog(watchBeat, l.post, func() {}, func() {})
			if got := row.test(l, w); got != row.want {
				t.Errorf("got %d beats without an alarm, want %d", got, row.want)
			}
			if len(l.posted) > 1 {
				t.Errorf("got %d beats waiting for the loop, want one at most", len(l.posted))
			}
		})
	}
}

// TestAliveOnlyWhenTheLoopHasAnswered: what feeds the service manager's watchdog.
func TestAliveOnlyWhenTheLoopHasAnswered(t *testing.T) {
	for _, row := range []struct {
		name  string
		turns bool
		want  int
	}{
		{"turns", true, 9},
		{"stands still from the start", false, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			alive := 0
			l := &deskLoop{}
			w := newWatchdog(watchBeat, l.post, func() { alive++ }, func() {})
			for range 10 {
				w.beat()
				if row.turns {
					l.turn()
				}
			}
			if alive != row.want {
				t.Errorf("got %d signs of life in 10 beats, want %d", alive, row.want)
			}
		})
	}
}

func BenchmarkWatchdogBeat(b *testing.B) {
	l := &deskLoop{}
	w := newWatchdog(watchBeat, l.post, func() {}, func() {})
	b.ReportAllocs()
	for b.Loop() {
		w.beat()
		l.posted[0]()
		l.posted = l.posted[:0]
	}
}
