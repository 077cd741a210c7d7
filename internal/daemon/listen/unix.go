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

// startWait is how long a start waits for the lock on the socket's directory. Starts hold it for a millisecond; programs
// that clean directories up, such as systemd-tmpfiles, hold it longer.
const startWait = 5 * time.Second

// creationUmask leaves a new socket file to its owner alone, until it has got its owner and mode.
const creationUmask = 0o077

// checkUnix looks for reasons why openUnix would fail.
func (p *Plan) checkUnix() (warnings []string, err error) {
	if err := p.access.permitted(); err != nil {
		return nil, err
	}
	if err := unix.Faccessat(p.dir.fd, ".", unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		return nil, fmt.Errorf("cannot create the socket in directory %s: %w", p.dir.name, os.NewSyscallError("faccessat", err))
	}
	if warning := p.access.warning(); warning != "" {
		warnings = append(warnings, warning)
	}
	_, _, err = p.dir.look()
	if errors.Is(err, ErrInUse) {
		return append(warnings, fmt.Sprintf("%s: %v; a start fails until that process ends", p.addr, ErrInUse)), nil
	}
	return warnings, err
}

// permitted tells whether this process may give a file of its own that owner and group.
func (a access) permitted() error {
	groups, err := os.Getgroups()
	if err != nil {
		return err
	}
	otherUser := a.uid != unchanged && a.uid != os.Geteuid()
	otherGroup := !slices.Contains(append(groups, os.Getegid(), unchanged), a.gid)
	// The mode is set last, when the file is the other user's, unless it has that mode from the beginning.
	chmod := otherUser && !(a.explicit && a.mode&creationUmask == 0)
	if (!otherUser && !otherGroup || capable(unix.CAP_CHOWN)) && (!chmod || capable(unix.CAP_FOWNER)) {
		return nil
	}
	return fmt.Errorf("-sockowner, -sockgroup: cannot give the socket to %s: %w", ownerText(a.uid, a.gid), fs.ErrPermission)
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

// startUnix leaves the directory locked: if it fails, the caller removes the new file under the same lock.
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
	s.warn(want.warning())
	return s.listen(backlog)
}

// bindUnix creates the socket and its file, which only its owner may use yet. Without -sockperms the mode that is wanted
// is what the umask leaves.
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
	// On Linux the file takes its mode from the socket, less the umask, so it never has a bit that was not asked for.
	// Where this is not so, the umask alone still keeps all other users out.
	_ = unix.Fchmod(fd, want.mode)
	err = unix.Bind(fd, &unix.SockaddrUnix{Name: s.dir.path})
	unix.Umask(umask)
	if err != nil {
		return fmt.Errorf("cannot create the socket in directory %s: %w", s.dir.name, os.NewSyscallError("bind", err))
	}
	s.file, err = openBound(fd, s.dir)
	return err
}
