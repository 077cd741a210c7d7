package poll

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// echoTick keeps the echo process going in and out of epoll_wait.
const echoTick = time.Millisecond

// TestP21Interrupted stops and continues a process while its loop sleeps, and sends it
// signals that Go's runtime takes: the loop goes on as if nothing had been.
func TestP21Interrupted(t *testing.T) {
	e := pair(t)
	defer unix.Close(e.own)
	child := startEcho(t, e.polled)
	pid := child.Process.Pid
	for i := range 5 {
		wantEcho(t, e, fmt.Sprint("before ", i))
		signal(t, pid, unix.SIGSTOP)
		wait(t, "stopped process", func() bool { return processState(t, pid) == "T" })
		e.send(t, "while stopped")
		signal(t, pid, unix.SIGCONT)
		expectEcho(t, e, "while stopped")
		for range 50 {
			signal(t, pid, unix.SIGURG)
			signal(t, pid, unix.SIGCONT)
		}
	}
	if err := unix.Shutdown(e.own, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the process: got %v, want exit 0", err)
	}
}

// TestP20Environment starts a process with what gnet's logger takes for a reason to panic.
func TestP20Environment(t *testing.T) {
	e := pair(t)
	defer unix.Close(e.own)
	child := startEcho(t, e.polled, "GNET_LOGGING_LEVEL=loud", "GNET_LOGGING_FILE=/proc/none")
	wantEcho(t, e, "hello")
	if err := unix.Shutdown(e.own, unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	if err := child.Wait(); err != nil {
		t.Errorf("the process: got %v, want exit 0", err)
	}
}

// startEcho starts the role echo on fd, which it takes over.
func startEcho(t *testing.T, fd int, env ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(append(os.Environ(), roleEnv+"=echo"), env...)
	cmd.Stderr = os.Stderr
	file := os.NewFile(uintptr(fd), "echo")
	cmd.ExtraFiles = []*os.File{file}
	err := cmd.Start()
	_ = file.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	return cmd
}

func wantEcho(t *testing.T, e ends, text string) {
	t.Helper()
	e.send(t, text)
	expectEcho(t, e, text)
}

func expectEcho(t *testing.T, e ends, text string) {
	t.Helper()
	b := make([]byte, 64)
	if n, err := e.read(b); string(b[:n]) != text {
		t.Fatalf("got %q, %v, want %q", b[:n], err, text)
	}
}

func signal(t *testing.T, pid int, s unix.Signal) {
	t.Helper()
	if err := unix.Kill(pid, s); err != nil {
		t.Fatal(err)
	}
}

// processState is the letter in /proc/PID/stat.
func processState(t *testing.T, pid int) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ")
	state, _, _ := strings.Cut(rest, " ")
	return state
}
