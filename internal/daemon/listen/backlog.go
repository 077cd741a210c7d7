package listen

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const somaxconnFile = "/proc/sys/net/core/somaxconn"

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

// backlogWarning tells that the kernel cuts the backlog down to the limit, the content of somaxconnFile, or is "".
func backlogWarning(backlog int, limit string) string {
	n, err := strconv.Atoi(strings.TrimSpace(limit))
	if err != nil || n >= backlog {
		return ""
	}
	return fmt.Sprintf("net.core.somaxconn cuts the listen backlog from %d to %d: in a burst of connects some may fail; "+
		"to raise it: sysctl -w net.core.somaxconn=%d", backlog, n, backlog)
}

func (s *Socket) warn(line string) {
	if line != "" {
		s.Warnings = append(s.Warnings, line)
	}
}
