package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is the time between two attempts to lock a directory.
const lockPoll = 2 * time.Millisecond

// directory is where a socket file belongs. The file is looked at and removed through the directory's descriptor, so
// it does no harm when the directory is renamed or the working directory changes.
type directory struct {
	fd   int
	name string // the directory
	base string // the socket file's name in it
	path string // the socket file's whole path, as given
}

// openDirectory opens the directory of the socket file at path.
func openDirectory(path string) (*directory, error) {
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
		return nil, fmt.Errorf("cannot open directory %s to lock it: %w", name, err)
	}
	return &directory{fd: fd, name: name, base: path[slash+1:], path: path}, nil
}

// openRetrying is openat(2), close-on-exec, repeated when a signal interrupts it.
func openRetrying(dirfd int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dirfd, name, flags|unix.O_CLOEXEC, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		return fd, os.NewSyscallError("open", err)
	}
}

// lock keeps other daemons that start or end out of the directory. Each process that uses this package takes the same
// lock, whatever path it has for the directory. The wait is bounded because any user who may read the directory may
// lock it.
func (d *directory) lock(wait time.Duration) error {
	deadline := time.Now().Add(wait)
	for {
		err := unix.Flock(d.fd, unix.LOCK_EX|unix.LOCK_NB)
		switch {
		case err == nil:
			return nil
		case !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("directory %s: %w", d.name, os.NewSyscallError("flock", err))
		case !time.Now().Before(deadline):
			return fmt.Errorf("directory %s: %w", d.name, ErrLocked)
		}
		time.Sleep(lockPoll)
	}
}

// unlock cannot fail on a descriptor that is open.
func (d *directory) unlock() { _ = unix.Flock(d.fd, unix.LOCK_UN) }

// close also gives the lock back.
func (d *directory) close() { _ = unix.Close(d.fd) }

// stat describes the file at the path, without following a link. Its error is fs.ErrNotExist if there is none.
func (d *directory) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, d.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, os.NewSyscallError("fstatat", err)
}

// look tells what is at the path: nothing (found is false), or a dead socket, on which no process listens. Anything else
// is an error: ErrOccupied, ErrInUse or ErrUnclear. A start looks under the lock, -check without it.
func (d *directory) look() (dead fileID, found bool, err error) {
	st, err := d.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return fileID{}, false, nil
	}
	if err != nil {
		return fileID{}, false, err
	}
	if st.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fileID{}, false, fmt.Errorf("the path is %s: %w", FileKind(st.Mode), ErrOccupied)
	}
	return identity(st), true, probe(d.path)
}

// clear removes the dead socket at the path, if there is one. It refuses to touch any other file, even one that replaced
// the dead socket a moment ago.
func (d *directory) clear() error {
	dead, found, err := d.look()
	if err != nil || !found {
		return err
	}
	now, err := d.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if identity(now) != dead {
		return ErrReplaced
	}
	if err := d.unlink(); err != nil {
		return fmt.Errorf("cannot remove the dead socket there: %w", err)
	}
	return nil
}

func (d *directory) unlink() error {
	return os.NewSyscallError("unlinkat", unix.Unlinkat(d.fd, d.base, 0))
}

// probe connects to the socket at the path. It returns nil if no process listens on it.
func probe(path string) error {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED, unix.ENOENT: // ENOENT: removed since
		return nil
	case nil, unix.EAGAIN: // EAGAIN: a process listens, but its backlog is full
		return ErrInUse
	case unix.EPROTOTYPE:
		return fmt.Errorf("%w, on a socket of another type", ErrInUse)
	default:
		return fmt.Errorf("%w: %w", ErrUnclear, os.NewSyscallError("connect", err))
	}
}

// FileKind returns the kind of file that a mode of stat tells, with its article.
func FileKind(mode uint32) string {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG:
		return "a regular file"
	case unix.S_IFDIR:
		return "a directory"
	case unix.S_IFLNK:
		return "a symbolic link"
	case unix.S_IFIFO:
		return "a named pipe"
	case unix.S_IFSOCK:
		return "a socket"
	}
	return "a device"
}
