package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockPoll is the time between two attempts to take a lock.
const lockPoll = 2 * time.Millisecond

// lockNameMax cuts the name that a lock file is called after: a file name has 255 bytes at most. Names that share their
// beginning then share a lock, which does no harm.
const lockNameMax = 200

// NameLock keeps other daemons of this user from a name in a directory while they start or end. It is a lock on a file of
// its own beside that name, .NAME.lock, which exists only meanwhile and which only this user and root can open. A lock
// (flock) on the directory, or on the file of that name, would not do: any user who may read it can hold that for ever.
type NameLock struct {
	dir  int
	name string
	fd   int // -1: another user has the file of the lock; the start goes on without it
}

// LockName locks base in the directory dir, and waits for that at most for the time given: then the error wraps ErrLocked.
// The lock has no effect where a file of another user is in its place and cannot be removed: no other user can keep a
// daemon from its start.
func LockName(dir int, base string, wait time.Duration) (*NameLock, error) {
	l := &NameLock{dir: dir, name: "." + base[:min(len(base), lockNameMax)] + ".lock", fd: -1}
	deadline := time.Now().Add(wait)
	for {
		err := l.try()
		switch {
		case err == nil:
			return l, nil
		case !errors.Is(err, ErrLocked):
			return nil, err
		case !time.Now().Before(deadline):
			return nil, fmt.Errorf("%s: %w", l.name, ErrLocked)
		}
		time.Sleep(lockPoll)
	}
}

// try returns ErrLocked when the attempt is to be repeated.
func (l *NameLock) try() error {
	if foreign, err := l.foreign(); err != nil || foreign {
		return err
	}
	fd, err := unix.Openat(l.dir, l.name, unix.O_RDWR|unix.O_CREAT|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0o600)
	if err != nil {
		if foreign, _ := l.foreign(); foreign || err == unix.EINTR {
			return ErrLocked // another user has put a file there just now
		}
		return &fs.PathError{Op: "open", Path: l.name, Err: err}
	}
	if err = unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err == nil && l.isFile(fd) {
		l.fd = fd
		return nil
	}
	_ = unix.Close(fd)
	if err == nil || err == unix.EWOULDBLOCK || err == unix.EINTR {
		return ErrLocked // held, or removed by the one that held it
	}
	return os.NewSyscallError("flock", err)
}

// foreign reports whether the place of the lock is taken by another file than an empty one of this user that no other user
// can open. It removes an empty file of another user where it may, and never one with content.
func (l *NameLock) foreign() (bool, error) {
	var st unix.Stat_t
	err := unix.Fstatat(l.dir, l.name, &st, unix.AT_SYMLINK_NOFOLLOW)
	switch {
	case err == unix.ENOENT:
		return false, nil
	case err != nil:
		return false, os.NewSyscallError("fstatat", err)
	case st.Mode&unix.S_IFMT != unix.S_IFREG || st.Size > 0:
		return true, nil
	case st.Mode&0o077 == 0 && int(st.Uid) == unix.Geteuid():
		return false, nil
	}
	err = unix.Unlinkat(l.dir, l.name, 0)
	return err != nil && err != unix.ENOENT, nil
}

// isFile reports whether the descriptor is of the file that has the name now.
func (l *NameLock) isFile(fd int) bool {
	var st, there unix.Stat_t
	return unix.Fstat(fd, &st) == nil && unix.Fstatat(l.dir, l.name, &there, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		identity(st) == identity(there)
}

// Unlock removes the file and gives the lock up. A second call does nothing, nor does one on nil.
func (l *NameLock) Unlock() {
	if l == nil || l.fd < 0 {
		return
	}
	_ = unix.Unlinkat(l.dir, l.name, 0) // a file that is left does no harm: the next start takes it over
	_ = unix.Close(l.fd)
	l.fd = -1
}
