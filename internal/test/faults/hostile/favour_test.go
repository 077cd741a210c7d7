package hostile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// Scheduling policies, see sched(7).
const (
	ordinary = 0 // SCHED_OTHER
	realTime = 2 // SCHED_RR
)

// favour gives this process, and all that it starts until the test ends, the CPU before any
// other (SCHED_RR): the times of victims and of daemons then tell nothing of who else works on
// this machine. Where that is not permitted, they do.
func favour(t *testing.T) {
	t.Helper()
	if err := schedule(realTime, 1); err != nil {
		t.Logf("what else this machine does is in the times: %v", err)
		return
	}
	t.Cleanup(func() {
		if err := schedule(ordinary, 0); err != nil {
			t.Error(err)
		}
	})
}

// schedule sets the policy of all threads of this process. Those that are made meanwhile
// have that of the thread that makes them: it looks until there are no new ones.
func schedule(policy, priority uint32) error {
	done := map[string]bool{}
	for before := -1; before < len(done); {
		before = len(done)
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		for _, thread := range threads {
			if err := scheduleThread(thread.Name(), policy, priority); err != nil {
				return fmt.Errorf("schedule thread %s: %w", thread.Name(), err)
			}
			done[thread.Name()] = true
		}
	}
	return nil
}

func scheduleThread(name string, policy, priority uint32) error {
	id, err := strconv.Atoi(name)
	if err != nil {
		return err
	}
	attr := unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: policy, Priority: priority}
	if err := unix.SchedSetAttr(id, &attr, 0); !errors.Is(err, unix.ESRCH) { // it may have ended
		return err
	}
	return nil
}
