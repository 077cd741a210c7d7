package poll

import (
	"encoding/binary"
	"os"
	"sync"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// mailbox is what any goroutine wants done on the loop goroutine. It is a descriptor of
// the set like any other, because netpoll's own queue is drained until it is empty:
// whoever kept posting would keep the loop from its descriptors.
type mailbox struct {
	fd int // an eventfd that is readable while posted is not empty

	mu     sync.Mutex
	shut   bool     // under mu: fd is closed
	posted []func() // under mu

	taken []func() // the loop goroutine's: what is being run
}

func openMailbox() (*mailbox, error) {
	fd, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("eventfd", err)
	}
	return &mailbox{fd: fd}, nil
}

// post puts fn at the end. It returns ErrStopped after close.
func (m *mailbox) post(fn func()) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.shut {
		return ErrStopped
	}
	m.posted = append(m.posted, fn)
	if len(m.posted) > 1 {
		return nil // the loop has been told, and has not looked yet
	}
	var one [8]byte
	binary.NativeEndian.PutUint64(one[:], 1)
	_, err := socket.Write(m.fd, one[:])
	return socket.Error("write to eventfd", err)
}

// Ready runs what was posted before it, in order. What is posted meanwhile waits for
// the next turn.
func (m *mailbox) Ready(Events) {
	var count [8]byte
	_, _ = socket.Read(m.fd, count[:]) // first: a later post makes fd readable again
	m.mu.Lock()
	m.posted, m.taken = m.taken[:0], m.posted
	m.mu.Unlock()
	for _, fn := range m.taken {
		fn()
	}
	clear(m.taken)
}

// close makes post refuse. What has been posted and not run is dropped.
func (m *mailbox) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.shut, m.posted = true, nil
	_ = unix.Close(m.fd) // an eventfd has nothing left to report
}
