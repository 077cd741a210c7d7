package listen

import (
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// systemdFirstFD is the descriptor of the first socket that systemd passes, SD_LISTEN_FDS_START of sd_listen_fds(3).
const systemdFirstFD = 3

// adopt takes over a listening socket that was passed in. It has to be one already, as nothing is known here of how open
// it may be. Its owner, mode and backlog stay, and its file is left to whoever made it.
func adopt(fd int) (*Socket, error) {
	if err := checkListening(fd); err != nil {
		return nil, err
	}
	addr, err := boundAddress(fd)
	if err != nil {
		return nil, err
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	return &Socket{FD: fd, addr: addr}, nil
}

func checkListening(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotListening, os.NewSyscallError("getsockopt", err))
	}
	accepting, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotListening, os.NewSyscallError("getsockopt", err))
	}
	if kind != unix.SOCK_STREAM || accepting == 0 {
		return ErrNotListening
	}
	return nil
}

// adoptFromSystemd follows sd_listen_fds(3) for exactly one socket.
func adoptFromSystemd() (*Socket, error) {
	if err := systemdPassedOne(); err != nil {
		return nil, err
	}
	s, err := adopt(systemdFirstFD)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d: %w", systemdFirstFD, err)
	}
	return s, nil
}

// systemdPassedOne reads the variables and unsets them, so that no child takes them for its own.
func systemdPassedOne() error {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return err
		}
	}
	switch {
	case pid == "":
		return fmt.Errorf("%w: LISTEN_PID is not set (was this started by a socket unit?)", ErrNothingPassed)
	case pid != strconv.Itoa(os.Getpid()):
		return fmt.Errorf("%w: LISTEN_PID is %q, but this is process %d", ErrNothingPassed, pid, os.Getpid())
	case count != "1":
		return fmt.Errorf("%w: LISTEN_FDS is %q, not 1", ErrNothingPassed, count)
	}
	return nil
}
