package load

import (
	"time"

	"golang.org/x/sys/unix"
)

// CPU is processor time from the kernel's accounting.
type CPU struct {
	User, System time.Duration
}

// Total returns both together.
func (c CPU) Total() time.Duration { return c.User + c.System }

func (c CPU) minus(earlier CPU) CPU {
	return CPU{User: c.User - earlier.User, System: c.System - earlier.System}
}

// usage returns what the calling thread (unix.RUSAGE_THREAD) or the process (unix.RUSAGE_SELF) has used so far. With
// such an argument the call cannot fail.
func usage(who int) CPU {
	var u unix.Rusage
	_ = unix.Getrusage(who, &u)
	return CPU{User: time.Duration(u.Utime.Nano()), System: time.Duration(u.Stime.Nano())}
}
