package procfs

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Accounting names the source of CPUTime, for reports.
const Accounting = "clock_gettime on the process's CPU-time clock (clock_getcpuclockid): the scheduler's own sum, " +
	"user and system, in nanoseconds, of all threads, those that have ended included"

// CPUTime returns the processor time, user and system together, that all threads of the process have taken so far, the
// ended ones and those that run this moment included. It is the sum that the scheduler keeps, in nanoseconds; the
// figures of /proc/PID/stat count in hundredths of a second, and a sum over /proc/PID/task misses threads that ended.
func CPUTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(processClock(pid), &t)
	if err == unix.EINVAL || err == unix.ESRCH {
		err = os.ErrNotExist
	}
	if err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// processClock is what clock_getcpuclockid(3) returns: the process ID inverted, shifted, and the number of the clock
// that the scheduler keeps.
func processClock(pid int) int32 {
	const schedulerClock = 2
	return int32(^pid<<3 | schedulerClock)
}
