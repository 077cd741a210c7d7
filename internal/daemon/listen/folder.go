package listen

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is the time between two attempts to get a folder's lock.
const lockPoll = 2 * time.Millisecond

// folder is where a socket file stands. All looks at the file and its removal go through the folder's descriptor, so
// that it does not matter if the folder is renamed, or the working directory changed.
type folder struct {
	fd   int
	name string // the folder
	base string // the socket file's name in it
	path string // the socket file's whole path, as given
}

func openFolder(path string) (*folder, error) {
	slash := strings.LastIndexByte(path, '/')
	name := strings.TrimRight(path[:slash+1], "/")
	switch {
	case slash < 0:
		name = "."
	case name == "":
		name = "/"
	}
	fd, err := openRetrying(unix.AT_FDCWD, name, unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("cannot open folder %s to lock it: %w", name, err)
	}
	return &folder{fd: fd, name: name, base: path[slash+1:], path: path}, nil
}

// openRetrying is openat(2), close-on-exec, that signals do not disturb.
func openRetrying(dirfd int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return fd, os.NewSyscallError("open", err)
	}
}

// lock keeps other starts, and other ends, out of the folder. Each process that uses this package takes the same lock,
// by whatever path it knows the folder. The wait is bounded because everybody who may read the folder may lock it.
func (d *folder) lock(wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := unix.Flock(d.fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("folder %s: %w", d.name, os.NewSyscallError("flock", err))
		case !time.Now().Before(deadline):
			return fmt.Errorf("folder %s: %w", d.name, ErrLocked)
		}
		time.Sleep(lockPoll)
	}
}

// unlock cannot fail on a descriptor that is open.
func (d *folder) unlock() { _ = unix.Flock(d.fd, unix.LOCK_UN) }

// close also gives the lock back.
func (d *folder) close() { _ = unix.Close(d.fd) }

// stat looks at what stands at the path, without following a link. Its error is fs.ErrNotExist if that is nothing.
func (d *folder) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, d.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, os.NewSyscallError("fstatat", err)
}

func (d *folder) unlink() error {
	return os.NewSyscallError("unlinkat", unix.Unlinkat(d.fd, d.base, 0))
}
