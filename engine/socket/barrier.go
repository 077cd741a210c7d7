package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

// Barrier ends reads: over a unix socket no read takes bytes of a Barrier's Write together
// with bytes that follow. Linux does this for bytes that carry a descriptor (unix(7),
// SCM_RIGHTS). A peer that reads with read(2) does not receive the descriptor.
type Barrier struct {
	null   *os.File // the descriptor that is sent
	rights []byte
}

// NewBarrier opens /dev/null, the descriptor that Write sends.
func NewBarrier() (*Barrier, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	return &Barrier{null: null, rights: unix.UnixRights(int(null.Fd()))}, nil
}

// Write writes as much of p as the unix socket takes; p must not be empty. It returns
// unix.EAGAIN if that is nothing, and unix.ETOOMANYREFS if peers have not yet read too many
// sent descriptors.
func (b *Barrier) Write(fd int, p []byte) (int, error) {
	for {
		n, err := unix.SendmsgN(fd, p, b.rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Close closes the descriptor.
func (b *Barrier) Close() error { return b.null.Close() }
