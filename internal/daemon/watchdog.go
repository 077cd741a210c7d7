package daemon

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"distcache/internal/daemon/service"
)

// stuckAfter is how long a loop may leave beats unanswered: 30 s. The work of one turn is
// bounded: it ends sooner on the busiest machine.
const stuckAfter = 15 * watchBeat

// alarmAgain is how long after stuckAfter the alarm ends the process. It is this long for
// the sake of a process that was stopped: see service.Alarm.
const alarmAgain = time.Minute

// watchdog notices a loop that is stuck. That is a bug, and only a restart helps. Each
// loop has a watchdog.
//
//	goroutine of its own: a beat ── posts ──▶ loop: answers
//	                      an answer ──▶ alive, which feeds the service manager's watchdog
//	                      beats without an answer, limit in a row ──▶ stuck
//
// All loops together have an alarm behind that, which the watchdogs postpone: when each loop
// hangs in the kernel in a call that Go's scheduler knows nothing of, no goroutine runs, and the
// kernel ends the process.
//
// Beats are counted rather than time measured: while the process is stopped (SIGSTOP, a
// suspended machine) there are none, and where CPU is short both sides wait for it.
type watchdog struct {
	post     func(fn func()) error // to the loop
	postpone func()                // the alarm, at each beat
	alive    func()                // called when the loop has answered
	pace     time.Duration         // from beat to beat
	limit    int                   // beats in a row that may be unanswered
	asked    bool
	missed   int // beats since the last answer
	answered atomic.Bool
}

func newWatchdog(pace time.Duration, post func(fn func()) error, alive, postpone func()) *watchdog {
	w := &watchdog{post: post, alive: alive, postpone: postpone, pace: pace, limit: int(stuckAfter / pace)}
	w.answered.Store(true)
	return w
}

// beat looks for the answer to the one before. It reports whether the loop is stuck.
func (w *watchdog) beat() (stuck bool) {
	if !w.answered.Swap(false) {
		w.missed++
		return w.missed >= w.limit
	}
	if w.missed = 0; w.asked {
		w.alive()
	}
	w.asked = true
	if w.post(w.answer) != nil {
		w.answered.Store(true) // a loop that has ended is not stuck
	}
	return false
}

// answer runs on the loop.
func (w *watchdog) answer() { w.answered.Store(true) }

// run beats until quit is closed or the loop is stuck. held tells that a debugger holds
// threads of this process: then beats are not counted.
func (w *watchdog) run(quit <-chan struct{}, held func() bool, stuck func()) {
	pause := time.NewTimer(w.pace)
	defer pause.Stop()
	for {
		select {
		case <-quit:
			return
		case <-pause.C:
		}
		w.postpone()
		stalled := w.beat()
		switch {
		case w.missed > 0 && held():
			w.missed = 0
		case stalled:
			stuck()
			return
		}
		pause.Reset(w.pace) // not a ticker: beats that were late do not follow each other at once
	}
}

const (
	// lastWords is how long a process that ends because of a bug may take to log that. Then
	// the kernel kills it.
	lastWords = 5 * time.Second
	// stackMax bounds the stacks of all goroutines, in bytes: they must fit the queue of
	// log lines.
	stackMax = 48 << 10
)

// runLoop runs the loop under its watchdog.
func (r *reactor) runLoop() error {
	quit := make(chan struct{})
	defer close(quit)
	defer r.tellPanic()
	go newWatchdog(r.beat, r.loop.Post, r.alive, r.alarm.Postpone).run(quit, service.Traced, r.loopStuck)
	return r.loop.Run()
}

// tellPanic logs a panic on the loop goroutine, and panics again: the handler may have left
// its state half changed. The runtime itself reports to stderr, which a detached daemon
// does not have.
func (r *reactor) tellPanic() {
	reason := recover()
	if reason == nil {
		return
	}
	_ = service.KillAfter(lastWords) // best effort: without it an unread stderr may keep us
	slog.Error("panic: exiting, for the supervisor to restart the daemon", "reason", reason)
	logStack(debug.Stack())
	r.flushLog()
	panic(reason)
}

// loopStuck ends the process with the stacks of all goroutines in the log. The socket file
// and the pidfile stay; the next start replaces them.
func (r *reactor) loopStuck() {
	_ = service.KillAfter(lastWords) // best effort: the stacks of a loop in a system call may not come
	slog.Error("the event loop is stuck: exiting, for the supervisor to restart the daemon",
		"seconds", stuckAfter.Seconds())
	r.flushLog()
	stacks := make([]byte, stackMax)
	logStack(stacks[:runtime.Stack(stacks, true)])
	r.flushLog()
	os.Exit(1)
}

// logStack logs a stack line by line, because syslog limits the length of a message. A
// stack has names and numbers, never the bytes of a session.
func logStack(stack []byte) {
	for line := range strings.Lines(string(stack)) {
		slog.Error("stack", "at", strings.TrimSpace(line))
	}
}
