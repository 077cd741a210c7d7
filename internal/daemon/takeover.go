package daemon

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/service"
)

const (
	// handoverWait bounds how long the next process waits for the descriptor. An orderly end takes
	// little more than a second.
	handoverWait = 10 * time.Second
	// handoverEnd bounds how long it then waits for the other one to end, which may have log lines
	// to write.
	handoverEnd = 2 * time.Second
)

// errFirst is why the first process of a service takes nothing over.
var errFirst = errors.New("no process before has left any")

// errKeeps is why a process takes nothing over from one that runs.
var errKeeps = errors.New("the process that runs has not handed them over")

// Taken returns the descriptor that the process before passed, once, or why there is none. The
// caller owns it.
func (h *Handover) Taken() (fd int, err error) {
	fd, h.taken = h.taken, -1
	if fd < 0 {
		return -1, cmp.Or(h.lost, errFirst)
	}
	return fd, nil
}

// First reports whether err, of Taken, is that of a first start.
func First(err error) bool { return errors.Is(err, errFirst) }

// take gets the descriptor from the process before, which has ended then, or from systemd, which
// passed stored. No process that hangs, or is of another user, keeps this one from starting.
func (h *Handover) take(stored []int, n *service.Notifier) {
	h.notifier = n
	if h.at.Kind == address.Unix {
		h.taken, h.lost = h.ask()
	} else if len(stored) > 0 {
		h.taken, stored = stored[0], stored[1:]
		unix.CloseOnExec(h.taken)
	}
	closeAll(stored)
}

// ask asks the process that listens at the address.
func (h *Handover) ask() (fd int, err error) {
	c, err := net.DialTimeout("unix", h.at.Path, handoverAsk)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return -1, errFirst
	}
	if err != nil {
		return -1, err
	}
	defer c.Close()
	conn := c.(*net.UnixConn)
	if _, err := trusted(conn); err != nil {
		return -1, err
	}
	_ = conn.SetDeadline(time.Now().Add(handoverWait)) // it fails for a closed connection alone
	if _, err := conn.Write([]byte(handoverRequest)); err != nil {
		return -1, fmt.Errorf("%w: %w", errKeeps, err)
	}
	b, rights := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(b, rights)
	if err != nil {
		return -1, fmt.Errorf("%w: %w", errKeeps, err)
	}
	if fd, err = descriptorIn(rights[:n]); err == nil {
		unix.CloseOnExec(fd)
		_ = conn.SetDeadline(time.Now().Add(handoverEnd))
		_, _ = conn.Read(b) // which ends with that process
	}
	return fd, err
}

// descriptorIn is the one descriptor in a control message.
func descriptorIn(rights []byte) (int, error) {
	messages, err := unix.ParseSocketControlMessage(rights)
	if err != nil || len(messages) != 1 {
		return -1, errKeeps
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		closeAll(fds)
		return -1, errKeeps
	}
	return fds[0], nil
}

// takeOver takes what the process before has left. A daemon that has no use for what systemd
// stored tells it so: the memory would stay there.
func (d *running) takeOver(stored []int) {
	h := d.config.Handover
	if len(stored) > 0 && (h == nil || h.at.Kind != address.Systemd) {
		closeAll(stored)
		stored = nil
		d.manager.tell(d.manager.notifier.Unstore(listen.StoredName))
	}
	if h != nil {
		h.take(stored, d.manager.notifier)
	}
}

// listenKeep makes the socket for the next process.
func (d *running) listenKeep() error {
	if d.plan.keep == nil {
		return nil
	}
	return d.config.Handover.listen(d.plan.keep, d.stop)
}
