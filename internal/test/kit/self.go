package kit

import (
	"errors"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// OwnCPU is the user and system time that this process has used.
func OwnCPU(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MustIdle measures, by used, how much CPU is taken while nothing is to be done: atMost, as
// a part of one. What the machine adds is no fault of the code under test, so the best of a
// few windows counts: what spins is over the bound in all of them.
func MustIdle(t testing.TB, used func(testing.TB) time.Duration, atMost float64) {
	t.Helper()
	const window = 150 * time.Millisecond
	best := 1e9
	for range 8 {
		from, start := used(t), time.Now()
		time.Sleep(window)
		best = min(best, float64(used(t)-from)/float64(time.Since(start)))
		if best < atMost {
			return
		}
	}
	t.Errorf("with nothing to do: got %.2f %% of a CPU at best, want under %.2f %%", 100*best, 100*atMost)
}

// OwnDescriptors are the numbers that are open in this process, with what they are. Those
// that the Go runtime keeps from its first use of a file that can be waited for are always
// among them.
func OwnDescriptors(t testing.TB) map[int]string {
	t.Helper()
	useRuntimePoller(t)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[int]string)
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		fd, numErr := strconv.Atoi(entry.Name())
		if err == nil && numErr == nil { // else it is the one that listed the folder
			open[fd] = target
		}
	}
	return open
}

func useRuntimePoller(t testing.TB) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
}
