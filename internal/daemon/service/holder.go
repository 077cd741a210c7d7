package service

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"distcache/internal/daemon/listen"
)

// nothingThere is returned in place of a descriptor when there is no file.
const nothingThere = -1

// errMoved is returned when the file changed while it was looked at, so that the look must be repeated.
var errMoved = errors.New("another process replaced the file just now")

// pidfileMax is more than any pidfile holds, in bytes.
const pidfileMax = 32

// openHolder opens the file at name in dir, or returns nothingThere. It refuses all but an ordinary file.
func openHolder(dir int, name string) (fd int, err error) {
	there, err := checkKind(dir, name)
	if err != nil || !there {
		return nothingThere, err
	}
	// Only now: opening a device or a fifo may have an effect.
	fd, err = unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT || err == unix.ELOOP {
		return nothingThere, errMoved
	}
	if err != nil {
		return nothingThere, fmt.Errorf("cannot open the existing file: %w", err)
	}
	return fd, nil
}

// claimStale returns a stale pidfile at name in dir open and locked, or nothingThere: until it is closed, no other
// process may replace it.
func claimStale(dir int, name string) (fd int, err error) {
	fd, err = openHolder(dir, name)
	if err != nil || fd == nothingThere {
		return nothingThere, err
	}
	if err = lockStale(dir, name, fd); err != nil {
		unix.Close(fd)
		return nothingThere, err
	}
	return fd, nil
}

// checkKind tells whether there is a file at name in dir, and refuses all but an ordinary one.
func checkKind(dir int, name string) (there bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(dir, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return true, fmt.Errorf("%w: it is %s", ErrPidfileForeign, listen.FileKind(st.Mode))
	}
	return true, nil
}

// lockStale locks fd, unless the file is in use or not a pidfile.
func lockStale(dir int, name string, fd int) error {
	locked := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if locked != nil && locked != unix.EWOULDBLOCK {
		return fmt.Errorf("cannot lock the existing file: %w", locked)
	}
	same, err := sameFile(dir, name, fd)
	if err == nil && !same {
		err = errMoved
	}
	if err != nil {
		return err
	}
	pid, err := readPid(fd)
	switch {
	case err != nil:
		return err
	case locked != nil:
		return fmt.Errorf("%w (process ID in the file: %d)", ErrPidfileHeld, pid)
	case isLive(pid, programName()):
		// The tools of distcache 1.5 take no lock: the process ID alone tells.
		return fmt.Errorf("%w: process %d is a running %s", ErrPidfileHeld, pid, programName())
	}
	return nil
}

// readPid reads the number in an open pidfile; 0 stands for an empty one, as Pidfile.Remove leaves behind. Anything else
// is somebody's file, which a typing error must not cost them.
func readPid(fd int) (int, error) {
	b := make([]byte, pidfileMax+1)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return 0, fmt.Errorf("cannot read the existing file: %w", err)
	}
	text := string(bytes.TrimSpace(b[:n]))
	if text == "" && n <= pidfileMax {
		return 0, nil
	}
	pid, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > pidfileMax {
		return 0, fmt.Errorf("%w: it does not hold a process ID; remove it if it is not needed", ErrPidfileForeign)
	}
	return int(pid), nil
}

// isLive tells whether pid is a live process, other than this one and the one that started it, that runs program. Where
// the program cannot be found out, a live process counts.
func isLive(pid int, program string) bool {
	if pid == 0 || pid == os.Getpid() || pid == os.Getppid() {
		return false
	}
	if err := unix.Kill(pid, 0); err == unix.ESRCH {
		return false
	}
	status, err := readStatus(fmt.Sprintf("/proc/%d/status", pid))
	if errors.Is(err, fs.ErrNotExist) {
		_, err = os.Stat("/proc/self/status")
		return err != nil // without /proc it counts as live; with it, the process has just ended
	}
	if err != nil {
		return true
	}
	// The IDs of threads pass the test by signal too, and in a container they are often those of an earlier run.
	if status["Tgid"] != strconv.Itoa(pid) || strings.HasPrefix(status["State"], "Z") {
		return false
	}
	return status["Name"] == kernelName(program) || executableName(pid) == program
}

// kernelName cuts a program's name as the kernel does for /proc/PID/comm.
func kernelName(program string) string { return program[:min(len(program), 15)] }

// executableName returns the name of the file that pid runs, without directories, or "" when it cannot be read.
func executableName(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(filepath.Base(path), " (deleted)")
}
