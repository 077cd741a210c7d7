package socket

import (
	"os"

	"golang.org/x/sys/unix"
)

// Barrier ends reads: over a unix socket none takes bytes of a Barrier's Write together with
// bytes that follow. That is how Linux treats what carries a descriptor (unix(7),
// SCM_RIGHTS). A peer that does not ask for it, as read(2) never does, is not given it.
type Barrier struct {
	null   *os.File // what is carried
	rights []byte
}

// NewBarrier takes a descriptor.
func NewBarrier() (*Barrier, error) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	return &Barrier{null: null, rights: unix.UnixRights(int(null.Fd()))}, nil
}

// Write writes as much of b, which must not be empty, as the unix socket takes. It returns
// unix.EAGAIN when that is nothing, and unix.ETOOMANYREFS when too many descriptors are with
// peers that have not read so far.
func (b *Barrier) Write(fd int, p []byte) (int, error) {
	for {
		n, err := unix.SendmsgN(fd, p, b.rights, nil, unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}

// Close frees the descriptor.
func (b *Barrier) Close() error { return b.null.Close() }
