package daemon

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

// gcPercent lets the heap grow to five times what is in use before it is collected. What
// is in use is small and the rate of garbage lower still, so this makes collections rare;
// the memory limit, not this, keeps the process within its bound.
const gcPercent = 400

// spareThreads is how many threads a process has beyond one for each loop: for what may
// be in a system call at once (log, name resolution, collector, signals), with a margin.
const spareThreads = 8

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
	// Go collects every two minutes, but not before a first time. Without this one the
	// garbage of hours would be kept, up to 16 MiB.
	runtime.GC()
}

// reserveThreads has Go start its threads now. It keeps those that it has, and it ends the
// process where it needs one more and the kernel grants none (a pids control group that is
// full, RLIMIT_NPROC): so that must happen before anything is served, or never (R11).
func reserveThreads(loops int) {
	var held, started sync.WaitGroup
	held.Add(1)
	for range loops + spareThreads {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			held.Wait()
		}()
	}
	started.Wait()
	held.Done()
}
