package listen

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"distcache/codec/address"
	"golang.org/x/sys/unix"
)

const somaxconnFile = "/proc/sys/net/core/somaxconn"

// Socket is a listening socket. It is not safe for concurrent use.
type Socket struct {
	// FD is the listening descriptor, non-blocking and close-on-exec; -1 once it is closed.
	FD int
	// Warnings are lines for the log: settings that were obeyed but will likely surprise.
	Warnings []string
	// Adopted tells that the socket was passed in: other processes may have it too.
	Adopted bool

	addr address.Address
	dir  *directory // where the socket file is; nil if Open made none, or after Unlink
	file *boundFile // the socket file; nil like dir

	access  access // with dir: what Again gives the next file
	backlog int    // and its socket
}

// Addr returns the address that the socket is bound to, in the syntax of codec/address: with the port that the kernel
// chose for port 0, and the IP address of a host name.
func (s *Socket) Addr() string { return s.addr.String() }

// Kind is the kind of the address that the socket is bound to: Unix or TCP.
func (s *Socket) Kind() address.Kind { return s.addr.Kind }

// Check tells whether clients still find the socket under its path: nil, or an error that wraps ErrGone, ErrReplaced or
// that of the system call. It is always nil if Open made no socket file.
func (s *Socket) Check() error { return s.Checker()() }

// Checker returns a function that does what Check does, on any goroutine, also while and after the socket is closed. It may
// block: a hung mount holds it.
func (s *Socket) Checker() func() error {
	if s.file == nil {
		return func() error { return nil }
	}
	file, addr := boundFile{fd: -1, id: s.file.id}, s.addr
	return func() error {
		if err := file.standsAt(unix.AT_FDCWD, addr.Path); err != nil {
			return fmt.Errorf("%s: %w", addr, err)
		}
		return nil
	}
}

// CloseListener closes the listening descriptor, so that no more clients come; the socket file stays until Unlink. A
// second call does nothing.
func (s *Socket) CloseListener() error {
	if s.FD < 0 {
		return nil
	}
	fd := s.FD
	s.FD = -1
	if err := unix.Close(fd); err != nil {
		return fmt.Errorf("%s: %w", s.addr, os.NewSyscallError("close", err))
	}
	return nil
}

// Unlink removes the socket file if Open made one and it is still at its path. Another file there is left alone, and a
// missing file is no error. The error names the path; it wraps ErrLocked or that of unlinkat(2), as when the privileges
// that the directory requires were dropped. A second call does nothing.
func (s *Socket) Unlink() error {
	if s.dir == nil {
		return nil
	}
	dir, file := s.dir, s.file
	s.dir, s.file = nil, nil
	defer dir.close() // which also unlocks
	if file == nil {
		return nil
	}
	defer file.close()
	if err := file.removeFrom(dir); err != nil {
		return fmt.Errorf("%s: cannot remove the socket file: %w", s.addr, err)
	}
	return nil
}

// Close calls CloseListener and Unlink.
func (s *Socket) Close() error {
	return errors.Join(s.CloseListener(), s.Unlink())
}

// fail closes the socket, and returns err joined with any error of that.
func (s *Socket) fail(err error) error {
	if closeErr := s.Close(); closeErr != nil {
		return fmt.Errorf("%w; moreover: %w", err, closeErr)
	}
	return err
}

// listen makes the bound socket accept connections.
func (s *Socket) listen(backlog int) error {
	err := unix.Listen(s.FD, backlog)
	if errors.Is(err, unix.EADDRINUSE) {
		return ErrInUse
	}
	if err != nil {
		return os.NewSyscallError("listen", err)
	}
	if limit, err := os.ReadFile(somaxconnFile); err == nil {
		s.warn(backlogWarning(backlog, string(limit)))
	}
	return nil
}

// backlogWarning tells that limit, the content of somaxconnFile, is below the backlog, or is "".
func backlogWarning(backlog int, limit string) string {
	n, err := strconv.Atoi(strings.TrimSpace(limit))
	if err != nil || n >= backlog {
		return ""
	}
	return fmt.Sprintf("net.core.somaxconn limits the listen backlog to %d: in a burst of connects some may be refused; "+
		"allow %d with: sysctl -w net.core.somaxconn=%d", n, backlog, backlog)
}

func (s *Socket) warn(line string) {
	if line != "" {
		s.Warnings = append(s.Warnings, line)
	}
}

// newSocket returns a stream socket that is non-blocking and close-on-exec.
func newSocket(family int) (int, error) {
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	return fd, nil
}

// Again opens a new socket at the path of s, whose file is gone. The rules are those of Open: the file of another process
// is left alone, and the new one gets the owner, group and permissions of the options. s stays as it is.
//
// Any goroutine may call it, also while s is closed, but only one in the process at a time, and only while no other one
// creates files: for an instant it sets the umask.
func (s *Socket) Again() (*Socket, error) {
	p := &Plan{addr: s.addr, backlog: s.backlog, access: s.access}
	var err error
	if p.dir, err = openDirectory(s.addr.Path); err != nil { // the directory may be another one by now
		return nil, p.named(err)
	}
	defer p.Close()
	return p.Open()
}

// keepAccess notes what Again needs, once the file has its owner, group and mode. The group counts also where the
// options do not name it: with other privileges a new file would get another one, and its members might connect instead.
func (s *Socket) keepAccess(want access, backlog int) error {
	const group, others = 0o020, 0o002
	st, err := s.file.stat()
	if err != nil {
		return err
	}
	if want.mode&group>>3 != want.mode&others {
		want.gid = int(st.Gid)
	}
	s.access, s.backlog = want, backlog
	return nil
}

// IsFinal reports whether an error of Again stays so: this process may not do what it takes. It is so after -user, where
// the directory or the owner is that of another user.
func IsFinal(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, ErrNotTaken)
}
