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

// nothingThere is what claimStale returns for a path at which nothing stands.
const nothingThere = -1

// errMoved says that the path changed while it was looked at, so that the look must be repeated.
var errMoved = errors.New("the file was replaced meanwhile")

// pidfileMax is more than any pidfile holds, in bytes.
const pidfileMax = 32

// claimStale looks at what stands at name in folder. A stale pidfile is returned open and locked: until it is closed, no
// other process may replace it.
func claimStale(folder int, name string) (fd int, err error) {
	there, err := checkKind(folder, name)
	if err != nil || !there {
		return nothingThere, err
	}
	// Only now, since to open a device or a fifo may do something.
	fd, err = unix.Openat(folder, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err == unix.ENOENT || err == unix.ELOOP {
		return nothingThere, errMoved
	}
	if err != nil {
		return nothingThere, fmt.Errorf("cannot open what stands there: %w", err)
	}
	if err = lockStale(folder, name, fd); err != nil {
		unix.Close(fd)
		return nothingThere, err
	}
	return fd, nil
}

// checkKind tells whether something stands at name in folder, and refuses all but an ordinary file.
func checkKind(folder int, name string) (there bool, err error) {
	var st unix.Stat_t
	err = unix.Fstatat(folder, name, &st, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return true, fmt.Errorf("%w: it is %s; nothing was changed", ErrPidfileForeign, listen.FileKind(st.Mode))
	}
	return true, nil
}

// lockStale locks fd, unless it is in use or no pidfile at all.
func lockStale(folder int, name string, fd int) error {
	locked := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
	if locked != nil && locked != unix.EWOULDBLOCK {
		return fmt.Errorf("cannot lock what stands there: %w", locked)
	}
	same, err := sameFile(folder, name, fd)
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
		// The tools of before take no lock; their files are known by the process alone.
		return fmt.Errorf("%w: process %d is a %s", ErrPidfileHeld, pid, programName())
	}
	return nil
}

// readPid reads the number in an open pidfile; 0 stands for an empty one, as Pidfile.Remove leaves behind. Anything else
// is somebody's file, which a typing error must not cost them.
func readPid(fd int) (int, error) {
	b := make([]byte, pidfileMax+1)
	n, err := unix.Pread(fd, b, 0)
	if err != nil {
		return 0, fmt.Errorf("cannot read what stands there: %w", err)
	}
	text := string(bytes.TrimSpace(b[:n]))
	if text == "" && n <= pidfileMax {
		return 0, nil
	}
	pid, err := strconv.ParseUint(text, 10, 31)
	if err != nil || n > pidfileMax {
		return 0, fmt.Errorf("%w: it holds something else than a process ID; remove it if it is not needed", ErrPidfileForeign)
	}
	return int(pid), nil
}

// isLive tells whether pid is a live process, other than this one and the one that started it, that runs program. When
// that cannot be found out, a live process counts.
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
		return err != nil // without /proc who knows; with it, the process has just gone
	}
	if err != nil {
		return true
	}
	// The numbers of threads pass the signal test too, and in a container they are often those of an earlier run.
	if status["Tgid"] != strconv.Itoa(pid) || strings.HasPrefix(status["State"], "Z") {
		return false
	}
	return status["Name"] == kernelName(program) || executableName(pid) == program
}

// kernelName cuts a program's name as the kernel does for /proc/PID/comm.
func kernelName(program string) string { return program[:min(len(program), 15)] }

// executableName returns the name of the file that pid runs, without folders, or "" when it cannot be read.
func executableName(pid int) string {
	path, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(filepath.Base(path), " (deleted)")
}
