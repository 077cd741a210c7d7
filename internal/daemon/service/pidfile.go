package service

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// pidfileMode lets everybody read the number; it does not depend on the umask.
const pidfileMode = 0o644

// pidfileAttempts bounds how often a start begins anew because others changed the path meanwhile.
const pidfileAttempts = 100

// Pidfile is the file that names this process. While the process lives it holds a lock (flock) on it, and that lock,
// not the number, is what tells a later start that the file is in use: it cannot be left over. Whoever may open the
// file can lock it too, so it belongs into a folder that strangers cannot read if they are not trusted.
type Pidfile struct {
	path string // as given, for messages
	base string // its last element, below folder
	// folder and file are bare descriptors, so that no finalizer ends the lock. folder also lets Remove find a
	// relative path after the working directory has changed.
	folder, file int
}

// WritePidfile writes the process ID to path: a decimal number and a newline, mode 0644 whatever the umask.
//
// The content is whole and the lock held before the file appears, and of any number of processes that try at once
// exactly one succeeds. A pidfile of a process that has gone is replaced. Everything else that may stand there is left
// as it is and refused: ErrPidfileHeld for the file of a live process, ErrPidfileForeign for a folder, a symbolic link,
// a device, or a file that holds no process ID. No error leaves a file behind.
func WritePidfile(path string) (*Pidfile, error) {
	folder, base := filepath.Split(path)
	p := &Pidfile{path: path, base: base, folder: -1, file: -1}
	if err := p.create(cmp.Or(folder, ".")); err != nil {
		p.close()
		return nil, fmt.Errorf("-pidfile %s: %w", path, err)
	}
	return p, nil
}

// create writes the file under a name of its own first and then moves it to where it belongs.
func (p *Pidfile) create(folder string) (err error) {
	if p.base == "" {
		return fmt.Errorf("%w: the path ends with a folder", ErrPidfileForeign)
	}
	// O_PATH needs no permission to read the folder, only to search it.
	p.folder, err = unix.Open(folder, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("folder %s: %w", folder, err)
	}
	if _, err := checkKind(p.folder, p.base); err != nil {
		return err // before anything is created beside it, in /dev for instance
	}
	temp, err := p.prepare()
	if err != nil {
		return err
	}
	if err := p.publish(temp); err != nil {
		_ = unix.Unlinkat(p.folder, temp, 0) // the first error counts
		return err
	}
	return nil
}

// prepare leaves the complete, locked file in p.file and returns its temporary name.
func (p *Pidfile) prepare() (temp string, err error) {
	const flags = unix.O_RDWR | unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW | unix.O_CLOEXEC
	for n := range pidfileAttempts {
		temp = fmt.Sprintf(".pid-%d-%d", os.Getpid(), n)
		p.file, err = unix.Openat(p.folder, temp, flags, 0o600)
		if err != unix.EEXIST {
			break
		}
	}
	if err != nil {
		return "", fmt.Errorf("cannot create a file in its folder: %w", err)
	}
	if err := p.fill(); err != nil {
		_ = unix.Unlinkat(p.folder, temp, 0) // the first error counts
		return "", err
	}
	return temp, nil
}

func (p *Pidfile) fill() error {
	if err := unix.Flock(p.file, unix.LOCK_EX|unix.LOCK_NB); err != nil {
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

// publish gives the file its name. Where nothing stands, link is what only one process can do; where a stale file
// stands, only the process that holds the lock of that stale file may replace it.
func (p *Pidfile) publish(temp string) error {
	for range pidfileAttempts {
		stale, err := claimStale(p.folder, p.base)
		switch {
		case err == errMoved:
			continue
		case err != nil:
			return err
		case stale == nothingThere:
			err = unix.Linkat(p.folder, temp, p.folder, p.base, 0)
			if err == unix.EEXIST {
				continue
			}
			if err == nil {
				err = unix.Unlinkat(p.folder, temp, 0)
			}
		default:
			err = unix.Renameat(p.folder, temp, p.folder, p.base)
			unix.Close(stale)
		}
		if err != nil {
			return fmt.Errorf("cannot be put in place: %w", err)
		}
		return p.confirm()
	}
	return ErrPidfileBusy
}

// confirm makes sure that nobody without regard for locks has put something else there meanwhile.
func (p *Pidfile) confirm() error {
	if same, err := sameFile(p.folder, p.base, p.file); err != nil || !same {
		return errors.Join(ErrPidfileBusy, err)
	}
	return nil
}

// Remove removes the file if it is still the one that WritePidfile made; another one, or none, is left alone without
// an error. When privileges that were given up meanwhile do not permit the removal, the file is emptied, so that nobody
// signals a process that has taken over the number, and the error is ErrPidfileKept. A second call does nothing.
func (p *Pidfile) Remove() error {
	if p.file < 0 {
		return nil
	}
	defer p.close()
	same, err := sameFile(p.folder, p.base, p.file)
	if err == nil && !same {
		return nil
	}
	if err == nil {
		err = unix.Unlinkat(p.folder, p.base, 0)
	}
	if err == nil || err == unix.ENOENT {
		return nil
	}
	if cut := unix.Ftruncate(p.file, 0); cut != nil {
		return fmt.Errorf("-pidfile %s: %w (%w) nor emptied (%w)", p.path, ErrPidfileKept, err, cut)
	}
	return fmt.Errorf("-pidfile %s: %w (%w); it was emptied instead", p.path, ErrPidfileKept, err)
}

// close ends the lock.
func (p *Pidfile) close() {
	for _, fd := range []*int{&p.file, &p.folder} {
		if *fd >= 0 {
			unix.Close(*fd)
			*fd = -1
		}
	}
}

// sameFile tells whether name in folder is the file that is open as fd. A missing name is not.
func sameFile(folder int, name string, fd int) (bool, error) {
	var there, open unix.Stat_t
	err := unix.Fstatat(folder, name, &there, unix.AT_SYMLINK_NOFOLLOW)
	if err == unix.ENOENT {
		return false, nil
	}
	if err == nil {
		err = unix.Fstat(fd, &open)
	}
	return err == nil && there.Dev == open.Dev && there.Ino == open.Ino, err
}
