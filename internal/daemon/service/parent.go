package service

import (
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Parent is the process that started this one by Detach and waits for its report. It is nil in a process that runs in
// the foreground; the methods accept that and do nothing, so that both ways of starting share one course.
type Parent struct{}

// FindParent returns the parent that waits for us, or nil when this process was not started by Detach. It takes the mark
// out of the environment, gives the process the name of the program (/proc/self/exe would have it named "exe"), and
// hands sockets that systemd passed to the parent on to us. Call it once, first of all.
func FindParent() *Parent {
	starter := os.Getenv(starterEnv)
	os.Unsetenv(starterEnv)
	if starter == "" || !isReportPipe(unix.Stdin) {
		return nil
	}
	if os.Getenv("LISTEN_PID") == starter {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	_ = os.WriteFile("/proc/self/comm", []byte(programName()), 0) // only a label; there may be no /proc
	return &Parent{}
}

// isReportPipe tells whether fd is the write end of a pipe, so that a mark that somebody left in the environment is not
// believed.
func isReportPipe(fd int) bool {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil || st.Mode&unix.S_IFMT != unix.S_IFIFO {
		return false
	}
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_ACCMODE == unix.O_WRONLY
}

// Ready changes the working directory to / and reports that the daemon runs, with warnings for the person at the
// terminal; from then on nobody waits, and descriptor 0 is /dev/null. An error means that the daemon must clean up and
// end: ErrParentGone when the parent died meanwhile, else one to be passed to Fail.
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
	if err := writeAll(unix.Stdin, appendReport(lines, reportReady, "")); err != nil {
		return reportError(err)
	}
	return os.NewSyscallError("dup3", unix.Dup3(int(null.Fd()), unix.Stdin, 0))
}

// Fail reports err as the reason why the daemon does not start. The caller cleans up and ends with exit code 1; the
// parent waits for that at most 5 seconds.
func (p *Parent) Fail(err error) {
	if p != nil {
		_ = writeAll(unix.Stdin, appendReport(nil, reportFailed, err.Error())) // a parent that has gone needs no report
	}
}

// reportError gives the failure of a report its meaning.
func reportError(err error) error {
	if errors.Is(err, unix.EPIPE) {
		return ErrParentGone
	}
	return fmt.Errorf("cannot report to the process that started this one: %w", err)
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
