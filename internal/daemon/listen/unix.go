package listen

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

// startWait is how long a start waits for the lock on the socket's folder. Starts hold it for a millisecond; programs
// that clean folders up, such as systemd-tmpfiles, hold it longer.
const startWait = 5 * time.Second

// creationUmask leaves a new socket file to its owner alone, until it has got its owner and mode.
const creationUmask = 0o077

func openUnix(addr address.Address, opt Options) (*Socket, error) {
	want, err := resolveAccess(opt)
	if err != nil {
		return nil, err
	}
	dir, err := openFolder(addr.Path)
	if err != nil {
		return nil, err
	}
	s := &Socket{FD: -1, addr: addr, dir: dir}
	if err := s.startUnix(want, opt.backlog()); err != nil {
		return nil, s.fail(err)
	}
	dir.unlock()
	return s, nil
}

// startUnix leaves the folder locked: if it fails, what it made is removed under the same lock.
func (s *Socket) startUnix(want access, backlog int) error {
	if err := s.dir.lock(startWait); err != nil {
		return err
	}
	if err := s.dir.clear(); err != nil {
		return err
	}
	if err := s.bindUnix(&want); err != nil {
		return err
	}
	if err := s.file.grant(want); err != nil {
		return err
	}
	if err := s.file.standsAt(s.dir.fd, s.dir.base); err != nil {
		return err
	}
	if want.explicit {
		s.warn(permsWarning(want.mode))
	}
	return s.listen(backlog)
}

// bindUnix creates the socket and its file, which nobody but its owner may use yet. Where -sockperms does not say what
// mode is wanted, the umask does.
func (s *Socket) bindUnix(want *access) error {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	s.FD = fd
	umask := unix.Umask(creationUmask)
	if !want.explicit {
		want.mode = 0o777 &^ uint32(umask)
	}
	// On Linux the file takes its mode from the socket, less the umask: so it never has a bit that was not asked for.
	// Where this is not so, the umask alone still keeps everybody else out.
	_ = unix.Fchmod(fd, want.mode)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: s.dir.path})
	unix.Umask(umask)
	if err != nil {
		return fmt.Errorf("cannot create the socket in folder %s: %w", s.dir.name, os.NewSyscallError("bind", err))
	}
	s.file, err = openBound(fd, s.dir)
	return err
}

// newSocket returns a stream socket that is non-blocking and close-on-exec.
func newSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	return fd, nil
}
