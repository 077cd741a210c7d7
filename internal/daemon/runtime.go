package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
)

// gcPercent lets the heap grow to five times what is in use before it is collected. What
// is in use is small and the rate of garbage lower still, so this makes collections rare;
// the memory limit, not this, keeps the process within its bound.
const gcPercent = 400

// tuneRuntime fits Go's scheduler and collector to a process that is event loops and
// little else. What the environment asks for (GOMAXPROCS, GOGC) goes first.
//
// With a processor to spare the scheduler wakes a second thread each time that a loop
// has looked for events and found none, which then finds no work or takes the loop
// over: at low load that costs a third of all CPU time (bench/NOTES.md).
func tuneRuntime(loops int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(loops)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
}
