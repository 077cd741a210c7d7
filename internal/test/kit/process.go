package kit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stopPatience is how long a process may take to end after SIGTERM.
const stopPatience = Patience

// Command is what to run and in which surroundings.
type Command struct {
	Path  string
	Args  []string
	Env   []string // name=value, besides the test's own environment
	Dir   string
	Stdin io.Reader
	Files []*os.File // passed on as descriptors 3 and up
	Sys   *syscall.SysProcAttr
}

// Process is a running binary. It ends with the test that started it, which shows what
// it wrote to stderr when the test failed.
type Process struct {
	t      testing.TB
	cmd    *exec.Cmd
	stdout output
	stderr output
	ended  chan struct{} // closed when it is, and its output has been read
}

// Start runs the binary at path.
func Start(t testing.TB, path string, args ...string) *Process {
	t.Helper()
	return Command{Path: path, Args: args}.Start(t)
}

// Start runs the command.
func (c Command) Start(t testing.TB) *Process {
	t.Helper()
	keepInherited()
	p := &Process{t: t, cmd: exec.Command(c.Path, c.Args...), ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), c.Env...)
	p.cmd.Dir, p.cmd.Stdin, p.cmd.SysProcAttr = c.Dir, c.Stdin, c.Sys
	p.cmd.ExtraFiles = c.Files
	p.cmd.Stdout, p.cmd.Stderr = &p.stdout, &p.stderr
	// A child that detached may hold stderr open: it is not waited for.
	p.cmd.WaitDelay = Patience
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", c.Path, err)
	}
	go func() {
		_ = p.cmd.Wait() // the state says how it ended
		close(p.ended)
	}()
	t.Cleanup(p.cleanup)
	return p
}

// keepInherited keeps descriptors that make or a shell has left open in this process from
// what it starts: daemons count what they inherit.
var keepInherited = sync.OnceFunc(func() {
	for fd := 3; fd < 1024; fd++ {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil && flags&unix.FD_CLOEXEC == 0 {
			unix.CloseOnExec(fd)
		}
	}
})

// PID is its process ID.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout gives what it has written to stdout so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr gives what it has written to stderr so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Running reports whether it has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// WaitStderr waits until it has written text to stderr. The test fails when that does
// not come in time, and at once when the process ends without it.
func (p *Process) WaitStderr(within time.Duration, text string) {
	p.t.Helper()
	p.Wait(within, "line with "+text, func() bool { return strings.Contains(p.Stderr(), text) })
}

// WaitListening waits until something accepts connections there. The test fails when
// that does not come in time, and at once when the process ends without it.
func (p *Process) WaitListening(within time.Duration, at Endpoint) {
	p.t.Helper()
	p.Wait(within, "listener on "+at.String(), func() bool {
		sock, err := at.dial()
		if err != nil {
			return false
		}
		return sock.Close() == nil
	})
}

// Wait waits until done reports true; what says what was waited for. The test fails
// when that does not come in time, and at once when the process ends without it.
func (p *Process) Wait(within time.Duration, what string, done func() bool) {
	p.t.Helper()
	came, ended := false, false
	Within(within, func() bool {
		ended = !p.Running() // looked at first: its last words still count
		came = done()
		return came || ended
	})
	switch {
	case came:
	case ended:
		p.t.Fatalf("got exit code %d of %s, want %s; stderr:\n%s", p.code(), p.cmd.Path, what, p.Stderr())
	default:
		p.t.Fatalf("got no %s of %s within %v, want it; stderr:\n%s", what, p.cmd.Path, within, p.Stderr())
	}
}

// Signal sends it a signal. After SIGSTOP it waits until each thread stands still: one may run on
// for a while on another processor, and answer.
func (p *Process) Signal(s os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatalf("%v to %s: %v", s, p.cmd.Path, err)
	}
	if s == syscall.SIGSTOP {
		Wait(p.t, Patience, p.cmd.Path+" stopped", func() bool { return stopped(p.PID()) })
	}
}

func stopped(pid int) bool {
	paths, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid)) // the pattern is a valid one
	for _, path := range paths {
		text, err := os.ReadFile(path)
		_, state, _ := strings.Cut(string(text), ") ")
		if err == nil && !strings.HasPrefix(state, "T") && !strings.HasPrefix(state, "t") {
			return false
		}
	}
	return len(paths) > 0
}

// Exit waits until it has ended, and gives its exit code: 128 and the signal's number
// when a signal ended it, as the shell does.
func (p *Process) Exit(within time.Duration) int {
	p.t.Helper()
	select {
	case <-p.ended:
	case <-time.After(within):
		p.t.Fatalf("got %s still running after %v, want it ended; stderr:\n%s", p.cmd.Path, within, p.Stderr())
	}
	return p.code()
}

// Stop ends it with SIGTERM, and gives its exit code.
func (p *Process) Stop() int {
	p.t.Helper()
	p.Signal(syscall.SIGTERM)
	return p.Exit(stopPatience)
}

// Kill ends it with SIGKILL, and waits for that.
func (p *Process) Kill() {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Errorf("kill %s: %v", p.cmd.Path, err)
		return
	}
	<-p.ended
}

// code is how it ended; call it only after that.
func (p *Process) code() int {
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

func (p *Process) cleanup() {
	p.Kill()
	if p.t.Failed() {
		p.t.Logf("%s wrote to stderr:\n%s", p.cmd.Path, p.Stderr())
	}
}

// output collects what a process writes while it runs.
type output struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
