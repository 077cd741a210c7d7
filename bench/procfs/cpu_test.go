package procfs

import (
	"errors"
	"os"
	"testing"
	"time"
)

// The child has burned its time on a thread that is gone: a sum over /proc/PID/task would miss it.
func TestCPUTimeKeepsThreadsThatEnded(t *testing.T) {
	pid := child(t, "burn", "thread ended")
	got, err := CPUTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	// Start-up and the runtime's other threads come on top.
	if got < burned || got > burned+5*time.Second {
		t.Errorf("CPUTime: got %v, want %v and little more", got, burned)
	}
	split, err := SplitTime(pid)
	if err != nil {
		t.Fatal(err)
	}
	// The same time, but counted in ticks.
	if d := split.User + split.System - got; d < -50*time.Millisecond || d > 50*time.Millisecond {
		t.Errorf("SplitTime: got %v, want about the %v of CPUTime", split, got)
	}
}

// The clock moves on between two readings, not with the timer's tick of a millisecond or more.
func TestCPUTimeIsFiner(t *testing.T) {
	const atMost = 100 * time.Microsecond
	least := time.Hour
	for range 1000 {
		first, err := CPUTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		later, err := CPUTime(os.Getpid())
		if err != nil {
			t.Fatal(err)
		}
		if step := later - first; step != 0 {
			least = min(least, step)
		}
	}
	if least <= 0 || least > atMost {
		t.Errorf("the smallest step of a thousand: got %v, want over 0 and at most %v", least, atMost)
	}
}

func TestNoProcess(t *testing.T) {
	const nobody = 1 << 22 // pid_max is at most this, so no process has it
	for name, read := range map[string]func(int) error{
		"CPUTime":     func(pid int) error { _, err := CPUTime(pid); return err },
		"SplitTime":   func(pid int) error { _, err := SplitTime(pid); return err },
		"MemoryOf":    func(pid int) error { _, err := MemoryOf(pid); return err },
		"Resident":    func(pid int) error { _, err := Resident(pid); return err },
		"Descriptors": func(pid int) error { _, err := Descriptors(pid); return err },
	} {
		if err := read(nobody); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: got %v, want %v", name, err, os.ErrNotExist)
		}
	}
}
