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

// findStale tells whether there is a stale pidfile at name in dir. The caller holds the lock on the name, so it stays so
// until the caller replaces it. A file in use is ErrPidfileHeld.
func findStale(dir int, name string) (found bool, err error) {
	fd, err := openHolder(dir, name)
	if err != nil || fd == nothingThere {
		return false, err
	}
	defer unix.Close(fd)
	return true, checkStale(dir, name, fd)
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

// checkStale returns an error unless the file is a pidfile that no process uses.
func checkStale(dir int, name string, fd int) error {
	locked, err := isWriteLocked(fd)
	if err != nil {
		return fmt.Errorf("cannot look for a lock on the existing file: %w", err)
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
	case locked:
		return fmt.Errorf("%w (process ID in the file: %d)", ErrPidfileHeld, pid)
	case isLive(pid, programName()):
		// The tools of distcache 1.5 take no lock: the process ID alone tells.
		return fmt.Errorf("%w: process %d is a running %s", ErrPidfileHeld, pid, programName())
	}
	return nil
}

// writeLock locks the whole file for as long as the descriptor is open. It is not flock(2), which any user who may read
// the file can hold: this lock takes a descriptor that is open for writing (F_OFD_SETLK, fcntl(2)).
func writeLock(fd int) error {
	return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
}

// isWriteLocked reports whether another descriptor has the lock of writeLock. Only that keeps a lock for reading from
// being granted, which is asked for here: a lock for reading, which other users can take, does not.
func isWriteLocked(fd int) (bool, error) {
	lock := unix.Flock_t{Type: unix.F_RDLCK}
	err := unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lock)
	return lock.Type != unix.F_UNLCK, err
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
