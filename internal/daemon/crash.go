package daemon

import (
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"distcache/internal/daemon/service"
)

const (
	// lastWords is how long a process that is about to end for a bug may take over what it
	// has to say. The kernel ends it then.
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
	go newWatchdog(r.loop.Post, r.pulse).run(quit, service.Traced, r.loopStuck)
	return r.loop.Run()
}

// tellPanic logs a panic on the loop goroutine, and panics on: whatever the handler left
// half done would be served from. A detached daemon has no stderr on which the runtime
// could tell.
func (r *reactor) tellPanic() {
	reason := recover()
	if reason == nil {
		return
	}
	_ = service.KillAfter(lastWords) // best effort: without it an unread stderr may keep us
	slog.Error("panic: ending, so that the supervisor starts anew", "reason", reason)
	logStack(debug.Stack())
	r.flushLog()
	panic(reason)
}

// loopStuck ends the process with the stacks of all goroutines in the log. Socket file
// and pidfile stay; the next start finds them dead and replaces them.
func (r *reactor) loopStuck() {
	_ = service.KillAfter(lastWords) // best effort: the stacks of a loop in a system call may not come
	slog.Error("the event loop is stuck: ending, so that the supervisor starts anew",
		"seconds", (watchBeats * watchBeat).Seconds())
	r.flushLog()
	stacks := make([]byte, stackMax)
	logStack(stacks[:runtime.Stack(stacks, true)])
	r.flushLog()
	os.Exit(1)
}

// logStack logs a stack a line at a time, as syslog takes no more. It holds names and
// numbers, never the bytes of a session.
func logStack(stack []byte) {
	for line := range strings.Lines(string(stack)) {
		slog.Error("stack", "at", strings.TrimSpace(line))
	}
}
