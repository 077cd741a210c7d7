package listen

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

// Socket is a listening socket. It is not safe for concurrent use.
type Socket struct {
	// FD is the listening descriptor, non-blocking and close-on-exec; -1 once it is closed.
	FD int
	// Warnings are lines for the log: what was obeyed, or adapted, and will likely surprise.
	Warnings []string

	addr address.Address
	dir  *folder    // where the socket file is; nil if Open made none, or it has been dealt with
	file *boundFile // the socket file; nil like dir
}

// Open opens a listening socket. The errors that it wraps are those of errors.go and of the system calls; the message
// starts with the address. After an error nothing is left behind.
//
// For a UNIX: address Open sets the umask of the process for an instant: call it at the start, from one goroutine, while
// no other one creates files.
func Open(addr address.Address, opt Options) (*Socket, error) {
	s, err := open(addr, opt)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", addr, err)
	}
	return s, nil
}

func open(addr address.Address, opt Options) (*Socket, error) {
	if _, err := address.ParseListen(addr.String()); err != nil {
		return nil, err
	}
	if err := opt.Validate(addr); err != nil {
		return nil, err
	}
	switch addr.Kind {
	case address.Unix:
		return openUnix(addr, opt)
	case address.TCP:
		return openTCP(addr, opt)
	case address.Descriptor:
		return adopt(addr.FD)
	}
	return adoptFromSystemd()
}

// Addr returns the address on which the socket really listens, in libnal syntax: with the port that was chosen for port
// 0, the address that a host name stood for, or what a descriptor that was passed in is bound to.
func (s *Socket) Addr() string { return s.addr.String() }

// Check tells whether clients still find the socket under its path: nil, or an error that wraps ErrGone, ErrReplaced or
// that of the system call. It is always nil if Open made no socket file.
func (s *Socket) Check() error {
	if s.file == nil {
		return nil
	}
	if err := s.file.standsAt(unix.AT_FDCWD, s.addr.Path); err != nil {
		return fmt.Errorf("%s: %w", s.addr, err)
	}
	return nil
}

// CloseListener closes the listening descriptor, so that no more clients come; the socket file stays until Unlink. To
// call it again does nothing.
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

// Unlink removes the socket file if Open made one and it still stands at its path; another file there is left alone,
// and a file that is gone is no error. The error, which names the path and the reason, is that of unlinkat(2), as when
// privileges were dropped that the folder asks for, or wraps ErrLocked. To call it again does nothing.
func (s *Socket) Unlink() error {
	if s.dir == nil {
		return nil
	}
	dir, file := s.dir, s.file
	s.dir, s.file = nil, nil
	defer dir.close() // and so unlocks
	if file == nil {
		return nil
	}
	defer file.close()
	if err := file.removeFrom(dir); err != nil {
		return fmt.Errorf("%s: cannot remove the socket file: %w", s.addr, err)
	}
	return nil
}

// Close is CloseListener and Unlink.
func (s *Socket) Close() error {
	return errors.Join(s.CloseListener(), s.Unlink())
}

// fail closes what is open so far, and returns err with what went wrong in that.
func (s *Socket) fail(err error) error {
	if closeErr := s.Close(); closeErr != nil {
		return fmt.Errorf("%w; moreover: %w", err, closeErr)
	}
	return err
}
