package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// clear makes way for a new socket: it removes a socket on which nobody answers, and refuses to touch anything else.
func (d *folder) clear() error {
	before, err := d.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if before.Mode&unix.S_IFMT != unix.S_IFSOCK {
		return fmt.Errorf("%s stands there: %w", FileKind(before.Mode), ErrOccupied)
	}
	if err := probe(d.path); err != nil {
		return err
	}
	return d.removeStale(before)
}

// removeStale removes the socket that was found dead, unless another file has come in its place since.
func (d *folder) removeStale(found unix.Stat_t) error {
	now, err := d.stat()
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if identity(now) != identity(found) {
		return ErrReplaced
	}
	if err := d.unlink(); err != nil {
		return fmt.Errorf("cannot remove the dead socket that stands there: %w", err)
	}
	return nil
}

// probe connects to the socket at the path. It returns nil if nobody answers there.
func probe(path string) error {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	switch err := unix.Connect(fd, &unix.SockaddrUnix{Name: path}); err {
	case unix.ECONNREFUSED, unix.ENOENT: // ENOENT: gone since
		return nil
	case nil, unix.EAGAIN: // EAGAIN: somebody listens, but its backlog is full
		return ErrInUse
	case unix.EPROTOTYPE:
		return fmt.Errorf("%w, on a socket of another type", ErrInUse)
	default:
		return fmt.Errorf("%w: %w", ErrUnclear, os.NewSyscallError("connect", err))
	}
}

// FileKind is the kind of file that a mode of stat tells, with its article.
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
