package daemon

import (
	"sync/atomic"
	"time"
)

// watchBeats is how many beats in a row a loop may leave unanswered. With watchBeat it
// makes 30 s, which no turn takes on the busiest machine: its work is bounded.
const watchBeats = 15

// watchdog notices a loop that does not come round any more. That is a bug, and only a
// new start helps. Each loop has one.
//
//	goroutine of its own: a beat ── posts ──▶ loop: answers
//	                      beats without an answer, watchBeats in a row ──▶ stuck
//
// Beats are counted rather than time measured: while the process is stopped (SIGSTOP, a
// suspended machine) there are none, and where CPU is short both sides wait for it.
type watchdog struct {
	post     func(fn func()) error // to the loop
	pulse    func()                // what the loop does at each beat, nil: nothing
	missed   int                   // beats since the last answer
	answered atomic.Bool
}

func newWatchdog(post func(fn func()) error, pulse func()) *watchdog {
	w := &watchdog{post: post, pulse: pulse}
	w.answered.Store(true)
	return w
}

// beat looks for the answer to the one before. It reports whether the loop is stuck.
func (w *watchdog) beat() (stuck bool) {
	if !w.answered.Swap(false) {
		w.missed++
		return w.missed >= watchBeats
	}
	w.missed = 0
	if w.post(w.answer) != nil {
		w.answered.Store(true) // a loop that has ended is not stuck
	}
	return false
}

// answer is what the loop does.
func (w *watchdog) answer() {
	w.answered.Store(true)
	if w.pulse != nil {
		w.pulse()
	}
}

// run beats until quit is closed or the loop is stuck. held tells that somebody holds
// threads of this process on purpose: then nothing can be said of the loop.
func (w *watchdog) run(quit <-chan struct{}, held func() bool, stuck func()) {
	pause := time.NewTimer(watchBeat)
	defer pause.Stop()
	for {
		select {
		case <-quit:
			return
		case <-pause.C:
		}
		stalled := w.beat()
		switch {
		case w.missed > 0 && held():
			w.missed = 0
		case stalled:
			stuck()
			return
		}
		pause.Reset(watchBeat) // not a ticker: beats that were late do not follow each other at once
	}
}
