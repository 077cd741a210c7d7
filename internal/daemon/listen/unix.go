package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// startWait is how long a start waits for the lock on the socket's path. Starts hold it for a millisecond.
const startWait = 5 * time.Second

// creationUmask leaves a new socket file to its owner alone, until it has got its owner and mode.
const creationUmask = 0o077

// checkUnix looks for reasons why openUnix would fail.
func (p *Plan) checkUnix() (warning string, err error) {
	if err := p.access.permitted(); err != nil {
		return "", err
	}
	if err := unix.Faccessat(p.dir.fd, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return "", fmt.Errorf("cannot create the socket in directory %s: %w", p.dir.name, os.NewSyscallError("faccessat", err))
	}
	dead, err := p.dir.look()
	if dead != nil {
		dead.close()
	}
	if errors.Is(err, ErrInUse) {
		return fmt.Sprintf("%s: %v; a start fails until that process ends", p.addr, ErrInUse), nil
	}
	return "", err
}

// permitted tells whether this process may give a file of its own that owner and group.
func (a access) permitted() error {
	otherUser := a.uid != unchanged && a.uid != os.Geteuid()
	// The mode is set last, when the file is the other user's, unless it has that mode from the beginning.
	chmod := otherUser && a.mode&creationUmask != 0
	if (!otherUser || capable(unix.CAP_CHOWN)) && mayGiveTo(a.gid) && (!chmod || capable(unix.CAP_FOWNER)) {
		return nil
	}
	return fmt.Errorf("-sockowner, -sockgroup: cannot give the socket to %s: %w", ownerText(a.uid, a.gid), fs.ErrPermission)
}

// mayGiveTo tells whether this process may give a file of its own to the group.
func mayGiveTo(gid int) bool {
	groups, err := os.Getgroups()
	return capable(unix.CAP_CHOWN) || err == nil && slices.Contains(append(groups, os.Getegid(), unchanged), gid)
}

// openUnix takes the directory over from the plan: from then on it is the socket's.
func (p *Plan) openUnix() (*Socket, error) {
	s := &Socket{FD: -1, addr: p.addr, dir: p.dir}
	p.dir = nil
	if err := s.startUnix(p.access, p.backlog); err != nil {
		return nil, s.fail(err)
	}
	s.dir.unlock()
	return s, nil
}

// startUnix leaves the path locked: if it fails, the caller removes the new file under the same lock.
func (s *Socket) startUnix(want access, backlog int) error {
	if err := s.dir.lock(startWait); err != nil {
		return fmt.Errorf("cannot create the socket in %w", err)
	}
	if err := s.dir.clear(); err != nil {
		return err
	}
	if err := s.bindUnix(want.mode); err != nil {
		return err
	}
	if err := s.file.grant(want); err != nil {
		return err
	}
	if err := s.file.standsAt(s.dir.fd, s.dir.base); err != nil {
		return err
	}
	if err := s.keepAccess(want, backlog); err != nil {
		return err
	}
	return s.listen(backlog)
}

// bindUnix creates the socket and its file, which only its owner may use yet.
func (s *Socket) bindUnix(mode uint32) error {
	fd, err := newSocket(unix.AF_UNIX)
	if err != nil {
		return err
	}
	s.FD = fd
	umask := unix.Umask(creationUmask)
	// On Linux the file takes its mode from the socket, less the umask, so it never has a bit that was not asked for.
	// Where this is not so, the umask alone still keeps all other users out.
	_ = unix.Fchmod(fd, mode)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: s.dir.path})
	unix.Umask(umask)
	if err != nil {
		return fmt.Errorf("cannot create the socket in directory %s: %w", s.dir.name, os.NewSyscallError("bind", err))
	}
	if s.file, err = openBound(fd, s.dir); err != nil {
		s.dir.removeFresh()
	}
	return err
}
