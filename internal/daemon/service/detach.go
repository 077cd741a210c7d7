package service

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// starterEnv marks the child; its value is the process ID of the parent.
	starterEnv = "DISTCACHE_STARTER"
	// readyLimit bounds the wait for the child, which may look up the name of a host.
	readyLimit = 30 * time.Second
	// endLimit bounds the wait for a child that failed, or was told to stop; then it is killed.
	endLimit = 5 * time.Second
)

// Detach is the parent's side of -daemon: it starts the program again, detached, waits until that child is ready, and
// returns the exit code for this process: 0 when the daemon runs; 1 when it does not, after its error was written to
// stderr and it has ended. Warnings of the child are written to stderr in both cases. The child gets the descriptors in
// keep, under the same numbers, and no other inherited ones.
//
// Call it after the command line has been checked and before anything is opened, and exit with the code at once: signals
// no longer end this process.
func Detach(stderr io.Writer, keep ...int) int {
	// Signals are caught before the child starts, so that none leaves it behind, and up to the end of this process, so that
	// none turns a success into a failure.
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	c, err := startChild(keep)
	if err != nil {
		Complain(stderr, err)
		return 1
	}
	o := c.await(stop, readyLimit)
	var lines []error
	for _, w := range o.warnings {
		lines = append(lines, errors.New("warning: "+w))
	}
	if o.err == nil {
		Complain(stderr, lines...)
		return 0
	}
	status := c.end(endLimit)
	if errors.Is(o.err, ErrSilent) {
		o.err = fmt.Errorf("%w: %s", o.err, status)
	}
	Complain(stderr, append(lines, o.err)...)
	return 1
}

// unreadLimit is how long Complain waits for a reader.
const unreadLimit = 250 * time.Millisecond

// Complain writes a line for each error, in the form that all tools use. It gives up after 250 ms, as when stderr is a full
// pipe that no process reads: while signals are caught, a write that waits could only be killed.
func Complain(stderr io.Writer, errs ...error) {
	var text []byte
	for _, err := range errs {
		text = fmt.Appendf(text, "%s: %v\n", programName(), err)
	}
	written := make(chan struct{})
	go func() {
		_, _ = stderr.Write(text) // there is no other place to report a failure
		close(written)
	}()
	limit := time.NewTimer(unreadLimit)
	defer limit.Stop()
	select {
	case <-written:
	case <-limit.C:
	}
}

// programName is the name under which the program was started, without directories.
func programName() string { return filepath.Base(os.Args[0]) }

// child is the detached process as the parent sees it.
type child struct {
	cmd     *exec.Cmd
	reports *os.File
	ended   chan struct{} // closed when cmd has been waited for
}

// startChild starts the program again with the write end of a pipe on its descriptor 0.
func startChild(keep []int) (*child, error) {
	program, err := ownProgram()
	if err != nil {
		return nil, fmt.Errorf("cannot detach: %w", err)
	}
	reports, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("cannot detach: %w", err)
	}
	defer w.Close()
	keepBack(keep)
	cmd := &exec.Cmd{
		Path:        program,
		Args:        os.Args,
		Env:         append(os.Environ(), starterEnv+"="+strconv.Itoa(os.Getpid())),
		Stdin:       w,
		SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := cmd.Start(); err != nil {
		reports.Close()
		return nil, fmt.Errorf("cannot detach: %w", err)
	}
	c := &child{cmd: cmd, reports: reports, ended: make(chan struct{})}
	go func() {
		_ = c.cmd.Wait() // the state is read from cmd.ProcessState
		close(c.ended)
	}()
	return c, nil
}

// ownProgram returns the path of the running program. /proc/self/exe is that file even after the one on disk has been
// replaced or deleted. Without /proc, ownProgram searches for the name in the arguments.
func ownProgram() (string, error) {
	const self = "/proc/self/exe"
	if _, err := os.Stat(self); err == nil {
		return self, nil
	}
	path, err := exec.LookPath(os.Args[0])
	if err != nil {
		return "", fmt.Errorf("cannot find the program file (is /proc mounted?): %w", err)
	}
	return path, nil
}

// keepBack marks every descriptor from 3 on that is not in keep as close-on-exec. Without /proc the child
// inherits them all, which does no harm.
func keepBack(keep []int) {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 && !slices.Contains(keep, fd) {
			unix.CloseOnExec(fd)
		}
	}
}

// await waits for the child's last report, a signal that stops this process, or the limit; in the latter two cases the
// child is told to stop.
func (c *child) await(stop <-chan os.Signal, limit time.Duration) outcome {
	defer c.reports.Close()
	last := make(chan outcome, 1)
	go func() { last <- readReports(c.reports) }()
	timeout := time.NewTimer(limit)
	defer timeout.Stop()

	var err error
	select {
	case o := <-last:
		return o
	case <-stop:
		err = ErrInterrupted
	case <-timeout.C:
		err = fmt.Errorf("%w (%v)", ErrNotReady, limit)
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended just now
	return outcome{err: err}
}

// end waits until the child has ended, kills it at the limit, and returns its exit status in words.
func (c *child) end(limit time.Duration) string {
	timeout := time.NewTimer(limit)
	defer timeout.Stop()
	select {
	case <-c.ended:
	case <-timeout.C:
		_ = c.cmd.Process.Kill() // it may have ended just now
		<-c.ended
	}
	return c.cmd.ProcessState.String()
}
