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

// directory is where a socket file belongs. The file is looked at and removed through the directory's descriptor, so
// it does no harm when the directory is renamed or the working directory changes.
type directory struct {
	fd   int
	name string    // the directory
	base string    // the socket file's name in it
	path string    // the socket file's whole path, as given
	held *NameLock // nil: not locked
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
	fd, err := openRetrying(unix.AT_FDCWD, name, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return nil, fmt.Errorf("directory %s cannot be opened: %w", name, err)
	}
	return &directory{fd: fd, name: name, base: path[slash+1:], path: path}, nil
}

// warning tells that other users can put a socket of their own at the path, or is "".
func (d *directory) warning() string {
	var st unix.Stat_t
	if err := unix.Fstat(d.fd, &st); err != nil || st.Mode&0o002 == 0 {
		return ""
	}
	when := "at any time"
	if st.Mode&unix.S_ISVTX != 0 {
		when = "while this daemon does not run"
	}
	return fmt.Sprintf("-listen UNIX:%s: every user may write to directory %s, and can put a socket there %s, which gets the sessions of "+
		"the clients; use a directory of the daemon's own, such as /run/distcache", d.path, d.name, when)
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

// lock keeps other daemons of this user that start or end away from the path. Each process that uses this package takes the
// same lock, whatever path it has for the directory.
func (d *directory) lock(wait time.Duration) (err error) {
	if d.held, err = LockName(d.fd, d.base, wait); err != nil {
		return fmt.Errorf("directory %s: %w", d.name, err)
	}
	return nil
}

func (d *directory) unlock() {
	d.held.Unlock()
	d.held = nil
}

// close also gives the lock back.
func (d *directory) close() {
	d.unlock()
	_ = unix.Close(d.fd)
}

// stat describes the file at the path, without following a link. Its error is fs.ErrNotExist if there is none.
func (d *directory) stat() (unix.Stat_t, error) {
	var st unix.Stat_t
	err := unix.Fstatat(d.fd, d.base, &st, unix.AT_SYMLINK_NOFOLLOW)
	return st, os.NewSyscallError("fstatat", err)
}

// look tells what is at the path: nil for nothing, or a dead socket, on which no process listens, held open so that no other
// file gets its number. Anything else is an error: ErrOccupied, ErrInUse or ErrUnclear. A start looks under the lock, -check
// without it.
func (d *directory) look() (dead *boundFile, err error) {
	fd, err := openRetrying(d.fd, d.base, unix.O_PATH|unix.O_NOFOLLOW)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f, err := newBoundFile(fd)
	if err != nil {
		return nil, err
	}
	if f.mode&unix.S_IFMT != unix.S_IFSOCK {
		err = fmt.Errorf("the path is %s: %w", FileKind(f.mode), ErrOccupied)
	} else {
		err = f.probe(d.path)
	}
	if err != nil {
		f.close()
		return nil, err
	}
	return f, nil
}

// clear removes the dead socket at the path, if there is one. It refuses to touch any other file, even one that replaced
// the dead socket a moment ago.
func (d *directory) clear() error {
	dead, err := d.look()
	if err != nil || dead == nil {
		return err
	}
	defer dead.close()
	err = dead.standsAt(d.fd, d.base)
	if errors.Is(err, ErrGone) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.unlink(); err != nil {
		return fmt.Errorf("cannot remove the dead socket there: %w", err)
	}
	return nil
}

func (d *directory) unlink() error {
	return os.NewSyscallError("unlinkat", unix.Unlinkat(d.fd, d.base, 0))
}

// removeFresh removes the file that bind(2) has just made, where it could not be opened. The caller holds the lock.
func (d *directory) removeFresh() {
	if st, err := d.stat(); err == nil && freshSocket(st) {
		_ = d.unlink() // the first error counts
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
