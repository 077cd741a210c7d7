package service

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/daemon/listen"
)

// pidfileMode lets all users read the number; it does not depend on the umask.
const pidfileMode = 0o644

// pidfileAttempts bounds how often a start tries again because another process changed the path.
const pidfileAttempts = 100

// publishWait is how long a start waits for others that put their pidfile at the same path. That takes a millisecond.
const publishWait = 5 * time.Second

var (
	// ErrPidfileHeld is returned when a running process holds the pidfile.
	ErrPidfileHeld = errors.New("in use by a running process")
	// ErrPidfileForeign is returned when the path is something other than a pidfile.
	ErrPidfileForeign = errors.New("not a pidfile")
	// ErrPidfileBusy is returned when the path keeps changing.
	ErrPidfileBusy = errors.New("other processes keep changing it")
	// ErrPidfileKept is returned when our pidfile could not be removed.
	ErrPidfileKept = errors.New("cannot be removed")
)

// Pidfile is the file that names this process. While the process lives it holds a lock on it, and that lock, not the
// number, is what tells a later start that the file is in use: it cannot be left over. Users who may only read the file
// cannot take such a lock.
type Pidfile struct {
	path string // as given, for messages
	base string // its last element
	// dir and file are bare descriptors, so that no finalizer ends the lock. dir also lets Remove find a relative path
	// after the working directory has changed. Each is -1 when it is not open.
	dir, file int
	dirname   string // the path of dir
}

// OpenPidfile opens the directory of path and checks the file there, if any. It changes nothing. ErrPidfileForeign is
// returned for a directory, a symbolic link or a device.
func OpenPidfile(path string) (*Pidfile, error) {
	dirname, base := filepath.Split(path)
	p := &Pidfile{path: path, dirname: cmp.Or(dirname, "."), base: base, dir: -1, file: -1}
	if err := p.open(); err != nil {
		p.Close()
		return nil, p.named(err)
	}
	return p, nil
}

func (p *Pidfile) open() (err error) {
	if p.base == "" {
		return fmt.Errorf("%w: the path names a directory", ErrPidfileForeign)
	}
	// O_PATH needs no permission to read the directory, only to search it.
	p.dir, err = unix.Open(p.dirname, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("directory %s: %w", filepath.Clean(p.dirname), err)
	}
	_, err = checkKind(p.dir, p.base)
	return err
}

func (p *Pidfile) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("-pidfile %s: %w", p.path, err)
}

// Check tells whether Write would succeed, without creating, locking or changing anything. A running process of this
// program in the file is a warning, as that may be the one that is to be replaced.
func (p *Pidfile) Check() (warning string, err error) {
	if err := unix.Faccessat(p.dir, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return "", p.named(p.cannotCreate(err))
	}
	fd, err := openHolder(p.dir, p.base)
	if err != nil || fd == nothingThere {
		return "", p.named(err)
	}
	defer unix.Close(fd)
	pid, err := readPid(fd)
	if err != nil || !isLive(pid, programName()) {
		return "", p.named(err)
	}
	return fmt.Sprintf("-pidfile %s: process %d is a running %s; a start fails until it ends", p.path, pid, programName()), nil
}

func (p *Pidfile) cannotCreate(err error) error {
	return fmt.Errorf("cannot create a file in directory %s: %w", filepath.Clean(p.dirname), err)
}

// Write writes the process ID to the path: a decimal number and a newline, mode 0644 whatever the umask.
//
// The content is whole and the lock held before the file appears, and of any number of processes that try at once
// exactly one succeeds. A pidfile of a process that has ended is replaced. Any other file is left as it is and refused:
// ErrPidfileHeld for the file of a running process, ErrPidfileForeign for a directory, a symbolic link, a device, or a
// file that holds no process ID. No error leaves a file behind.
func (p *Pidfile) Write() error {
	temp, err := p.prepare() // under a name of its own
	if err == nil {
		if err = p.publish(temp); err != nil {
			_ = unix.Unlinkat(p.dir, temp, 0) // the first error counts
		}
	}
	if err != nil {
		p.Close()
	}
	return p.named(err)
}

// prepare leaves the complete, locked file in p.file and returns its temporary name.
func (p *Pidfile) prepare() (temp string, err error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for n := range pidfileAttempts {
		temp = fmt.Sprintf(".pid-%d-%d", os.Getpid(), n)
		p.file, err = unix.Openat(p.dir, temp, flags, 0o600)
		if err != unix.EEXIST {
			break
		}
	}
	if err != nil {
		return "", p.cannotCreate(err)
	}
	if err := p.fill(); err != nil {
		_ = unix.Unlinkat(p.dir, temp, 0) // the first error counts
		return "", err
	}
	return temp, nil
}

func (p *Pidfile) fill() error {
	if err := writeLock(p.file); err != nil { // before other users can open it
		return fmt.Errorf("cannot lock: %w", err)
	}
	if err := writeAll(p.file, fmt.Appendln(nil, os.Getpid())); err != nil {
		return fmt.Errorf("cannot write: %w", err)
	}
	if err := unix.Fchmod(p.file, pidfileMode); err != nil {
		return fmt.Errorf("cannot set mode %#o: %w", pidfileMode, err)
	}
	return nil
}

// publish gives the file its name. Processes that do so at once take turns; link and the look at what is there keep those
// apart that do not.
func (p *Pidfile) publish(temp string) error {
	turn, err := listen.LockName(p.dir, p.base, publishWait)
	if err != nil {
		return fmt.Errorf("directory %s: %w", filepath.Clean(p.dirname), err)
	}
	defer turn.Unlock()
	for range pidfileAttempts {
		stale, err := findStale(p.dir, p.base)
		switch {
		case err == errMoved:
			continue
		case err != nil:
			return err
		case stale:
			err = unix.Renameat(p.dir, temp, p.dir, p.base)
		default:
			err = unix.Linkat(p.dir, temp, p.dir, p.base, 0)
			if err == unix.EEXIST {
				continue
			}
			if err == nil {
				err = unix.Unlinkat(p.dir, temp, 0)
			}
		}
		if err != nil {
			return fmt.Errorf("cannot be put in place: %w", err)
		}
		return p.confirm()
	}
	return ErrPidfileBusy
}

// confirm makes sure that no process that ignores locks has put another file there since.
func (p *Pidfile) confirm() error {
	if same, err := sameFile(p.dir, p.base, p.file); err != nil || !same {
		return errors.Join(ErrPidfileBusy, err)
	}
	return nil
}

// Remove removes the file if it is still the one that Write made; another one, or none, is left alone without an error.
// When the privileges that are left do not permit the removal, the file is emptied, so that its number is not taken for
// that of a later process, and the error is ErrPidfileKept. A second call does nothing.
func (p *Pidfile) Remove() error {
	defer p.Close()
	if p.file < 0 {
		return nil
	}
	same, err := sameFile(p.dir, p.base, p.file)
	if err == nil && !same {
		return nil
	}
	if err == nil {
		err = unix.Unlinkat(p.dir, p.base, 0)
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if cut := unix.Ftruncate(p.file, 0); cut != nil {
		return p.named(fmt.Errorf("%w (%w) nor emptied (%w)", ErrPidfileKept, err, cut))
	}
	return p.named(fmt.Errorf("%w (%w); it was emptied instead", ErrPidfileKept, err))
}

// Close ends the lock and leaves the file where it is.
func (p *Pidfile) Close() {
	for _, fd := range []*int{&p.file, &p.dir} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// sameFile tells whether name in dir is the file that is open as fd. A missing name is not.
func sameFile(dir int, name string, fd int) (bool, error) {
	var there, open unix.Stat_t
	err := unix.Fstatat(dir, name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err == nil {
		err = unix.Fstat(fd, &open)
	}
	return err == nil && there.Dev == open.Dev && there.Ino == open.Ino, err
}
