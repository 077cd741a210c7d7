package service

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

var (
	// ErrInterrupted is returned when a signal stopped the parent before the daemon was ready.
	ErrInterrupted = errors.New("stopped by a signal before the daemon was ready")
	// ErrNotReady is returned when the daemon reported nothing within 30 seconds.
	ErrNotReady = errors.New("the daemon was not ready in time")
	// ErrSilent is returned when the daemon ended without a report.
	ErrSilent = errors.New("the daemon ended without giving a reason")
	// ErrParentGone is returned to the daemon when the process that waits for its report has ended.
	ErrParentGone = errors.New("the process that started this daemon has ended")
)

// Parent is the process that started this one by Detach and waits for its report. It is nil in a process that runs in
// the foreground; the methods accept that and do nothing, so that both ways of starting share their code.
type Parent struct{}

// FindParent returns the parent that waits for us, or nil when this process was not started by Detach. It
// removes the mark from the environment, gives the process the name of the program (otherwise "exe", of /proc/self/exe),
// and claims the sockets and the watchdog that systemd gave to the parent. Call it once, first of all.
func FindParent() *Parent {
	starter := os.Getenv(starterEnv)
	os.Unsetenv(starterEnv)
	if starter == "" || !isReportPipe(unix.Stdin) {
		return nil
	}
	for _, name := range []string{"LISTEN_PID", "WATCHDOG_PID"} {
		if os.Getenv(name) == starter {
			os.Setenv(name, strconv.Itoa(os.Getpid()))
		}
	}
	_ = os.WriteFile("/proc/self/comm", []byte(programName()), 0) // only a label; there may be no /proc
	return &Parent{}
}

// isReportPipe tells whether fd is the write end of a pipe. A mark that was left in the environment by accident comes
// without one.
func isReportPipe(fd int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// Ready changes the working directory to / and reports that the daemon runs, with warnings for the person at the
// terminal. From then on the parent does not wait, and descriptor 0 is /dev/null. An error means that the daemon must clean
// up and end: ErrParentGone when the parent has ended, else one to be passed to Fail.
func (p *Parent) Ready(warnings ...string) error {
	if p == nil {
		return nil
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := os.Chdir("/"); err != nil {
		return err
	}
	var lines []byte
	for _, w := range warnings {
		lines = appendReport(lines, reportWarning, w)
	}
	err = writeAll(unix.Stdin, appendReport(lines, reportReady, ""))
	switch {
	case errors.Is(err, unix.EPIPE):
		return ErrParentGone
	case err != nil:
		return fmt.Errorf("cannot report to the process that started this daemon: %w", err)
	}
	return os.NewSyscallError("dup3", unix.Dup3(int(null.Fd()), unix.Stdin, 0))
}

// Fail reports err as the reason why the daemon does not start. The caller cleans up and ends with exit code 1; the
// parent waits for that at most 5 seconds.
func (p *Parent) Fail(err error) {
	if p != nil {
		_ = writeAll(unix.Stdin, appendReport(nil, reportFailed, err.Error())) // a parent that has ended needs no report
	}
}

// writeAll writes b to a blocking descriptor, whole.
func writeAll(fd int, b []byte) error {
	for len(b) > 0 {
		n, err := unix.Write(fd, b)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// The child's reports are lines on a pipe: a kind, a space, the text in Go's quotes. "ready" or "failed" is the last one.
const (
	reportWarning = "warning"
	reportReady   = "ready"
	reportFailed  = "failed"
)

// reportTextMax is the greatest length of a report's text in bytes; a longer one is cut, so that a line always fits the
// reader's buffer and a write never waits.
const reportTextMax = 2000

// appendReport appends one line to b.
func appendReport(b []byte, kind, text string) []byte {
	text = text[:min(len(text), reportTextMax)]
	b = append(b, kind...)
	b = append(b, ' ')
	b = strconv.AppendQuote(b, text)
	return append(b, '\n')
}

// outcome is what a child reported: err is nil when it is ready, ErrSilent when it ended without a report.
type outcome struct {
	warnings []string
	err      error
}

// readReports reads up to the last report or the end of r.
func readReports(r io.Reader) outcome {
	var o outcome
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		kind, text, err := parseReport(lines.Text())
		switch {
		case err != nil:
			o.err = err
			return o
		case kind == reportReady:
			return o
		case kind == reportFailed:
			o.err = errors.New(text)
			return o
		}
		o.warnings = append(o.warnings, text)
	}
	o.err = ErrSilent
	return o
}

// parseReport splits one line; anything that appendReport does not write is an error.
func parseReport(line string) (kind, text string, err error) {
	kind, quoted, _ := strings.Cut(line, " ")
	switch kind {
	case reportWarning, reportReady, reportFailed:
	default:
		return "", "", fmt.Errorf("unknown report %q of the daemon", line)
	}
	if text, err = strconv.Unquote(quoted); err != nil {
		return "", "", fmt.Errorf("report %q of the daemon: %w", line, err)
	}
	return kind, text, nil
}
