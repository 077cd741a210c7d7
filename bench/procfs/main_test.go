package procfs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// roleVariable makes the test binary a child that has something to account for.
const roleVariable = "PROCFS_TEST_ROLE"

// burned is the processor time that a child takes on a thread which then ends.
const burned = 80 * time.Millisecond

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "burn":
		burnOnThread()
	case "hold":
		hold()
	default:
		os.Exit(m.Run())
	}
}

// burnOnThread computes on a thread of its own, says when that thread has ended, and waits for the end of its input.
func burnOnThread() {
	runtime.LockOSThread() // so that the goroutine gets another thread than the main one, which would not end
	thread := make(chan int)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		var now, start unix.Timespec
		_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &start)
		for now = start; now.Nano()-start.Nano() < int64(burned); {
			_ = unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &now)
		}
		thread <- unix.Gettid()
	}()
	path := fmt.Sprintf("/proc/self/task/%d", <-thread)
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if _, err := os.Stat(path); err != nil {
			fmt.Println("thread ended")
			_, _ = bufio.NewReader(os.Stdin).ReadByte()
			return
		}
		runtime.Gosched()
	}
	fmt.Println("the thread does not end")
}

// heldBytes is the memory that a child touches.
const heldBytes = 48 << 20

func hold() {
	memory := make([]byte, heldBytes)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	fmt.Println("held")
	_, _ = bufio.NewReader(os.Stdin).ReadByte()
	runtime.KeepAlive(memory)
}

// child starts the test binary in a role, waits for its line, and returns its process ID.
func child(t *testing.T, role, line string) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	got, err := bufio.NewReader(stdout).ReadString('\n')
	if strings.TrimSpace(got) != line {
		t.Fatalf("child %s: got %q (%v), want %q", role, got, err, line)
	}
	return cmd.Process.Pid
}
