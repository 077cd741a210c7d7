package daemon

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"distcache/codec/address"
	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/service"
	"golang.org/x/sys/unix"
)

// Handover passes a descriptor, behind which is the memory of an App, to the next process of the
// same service. That process asks for it through a unix socket:
//
//	the process that runs              the next one
//	─────────────────────              ────────────
//	                   ◀── request ──  connects
//	an orderly end, as at SIGTERM
//	App.Close: Wanted, Pass
//	ends          ── descriptor ──▶    App.Open: Taken
//	                                   opens its own sockets
//
// Or systemd keeps a copy of the descriptor (Hold), and passes it to each process of the service.
type Handover struct {
	at       address.Address   // of kind Unix or Systemd
	notifier *service.Notifier // systemd; nil: there is none
	taken    int               // from the process before; -1: none
	lost     error             // why there is none

	socket   *listen.Socket    // nil: none
	listener *net.UnixListener // the same

	mu   sync.Mutex
	next *net.UnixConn // the next process, which waits; nil: none
}

const (
	// handoverRequest is what the next process sends.
	handoverRequest = "distcache: hand over\n"
	// handoverAsk bounds how long it may take to connect and to ask.
	handoverAsk = time.Second
	// handoverPerms are those of the socket. A process that can connect gets all sessions.
	handoverPerms = "0600"
	// handoverDescriptors is how many descriptors a Handover takes.
	handoverDescriptors = 8
)

// NewHandover makes a Handover through a unix socket, or through the descriptor store of systemd.
func NewHandover(at address.Address) *Handover { return &Handover{at: at, taken: -1} }

// Hold gives systemd a copy of a descriptor, in place of the one that it has. Through a unix socket
// there is nothing to do before the end.
func (h *Handover) Hold(fd int) error {
	if h.at.Kind != address.Systemd {
		return nil
	}
	if h.notifier == nil {
		return errors.New("systemd has not started this process, or gave it no NOTIFY_SOCKET (Type=notify)")
	}
	return errors.Join(h.notifier.Unstore(listen.StoredName), h.notifier.Store(listen.StoredName, fd))
}

// Wanted reports whether another process will have the descriptor: App.Close must not wipe what is
// behind it.
func (h *Handover) Wanted() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.next != nil || h.at.Kind == address.Systemd && h.notifier != nil
}

// Pass passes a descriptor to the process that has asked for it, if there is one, and closes it.
func (h *Handover) Pass(fd int) (err error) {
	defer unix.Close(fd)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.next == nil {
		return nil
	}
	// The connection stays open: its end tells that this process has ended.
	_ = h.next.SetWriteDeadline(time.Now().Add(handoverAsk))
	if _, _, err := h.next.WriteMsgUnix([]byte{1}, unix.UnixRights(fd), nil); err != nil {
		return fmt.Errorf("sessions lost: the process that asked for them does not take them: %w", err)
	}
	return nil
}

// listen makes the socket for the next process. stop begins the orderly end.
func (h *Handover) listen(p *listen.Plan, stop func()) error {
	if p == nil {
		return nil
	}
	socket, err := p.Open()
	if err != nil {
		return fmt.Errorf("-keep %w", err)
	}
	h.socket = socket
	file := os.NewFile(uintptr(socket.FD), "-keep")
	defer file.Close() // the listener has a descriptor of its own
	socket.FD = -1
	l, err := net.FileListener(file)
	if err != nil {
		return err
	}
	h.listener = l.(*net.UnixListener)
	h.listener.SetUnlinkOnClose(false) // the Socket does it
	go h.serve(stop)
	return nil
}

// serve waits for the next process, until the listener is closed.
func (h *Handover) serve(stop func()) {
	for {
		conn, err := h.listener.AcceptUnix()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(handoverAsk) // no descriptor is to be had
			continue
		}
		pid, err := asked(conn)
		if err != nil {
			_ = conn.Close()
			continue
		}
		slog.Info("handing the sessions over to a new dc_server", "pid", pid)
		h.mu.Lock()
		h.next = conn
		h.mu.Unlock()
		stop()
		return
	}
}

// asked reads the request. Others connect, too: a process that looks whether this one lives.
func asked(conn *net.UnixConn) (pid int32, err error) {
	if pid, err = trusted(conn); err != nil {
		return 0, err
	}
	_ = conn.SetDeadline(time.Now().Add(handoverAsk)) // it fails for a closed connection alone
	line, err := bufio.NewReaderSize(conn, 64).ReadSlice('\n')
	if err == nil && string(line) != handoverRequest {
		err = errors.New("not a request to hand over")
	}
	return pid, err
}

// trusted refuses a peer of another user. Root may be one: the daemon may have dropped its
// privileges.
func trusted(conn *net.UnixConn) (pid int32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	var failure error
	err = raw.Control(func(fd uintptr) { peer, failure = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err = errors.Join(err, failure); err != nil {
		return 0, err
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Geteuid() {
		return 0, fmt.Errorf("process %d is of user %d", peer.Pid, peer.Uid)
	}
	return peer.Pid, nil
}

// unlink removes the socket file. No process can ask any more.
func (h *Handover) unlink() error {
	if h == nil || h.socket == nil {
		return nil
	}
	if h.listener != nil {
		_ = h.listener.Close()
	}
	return h.socket.Unlink()
}

const (
	// handoverWait bounds how long the next process waits for the descriptor. An orderly end takes
	// little more than a second.
	handoverWait = 10 * time.Second
	// handoverEnd bounds how long it then waits for the other one to end, which may have log lines
	// to write.
	handoverEnd = 2 * time.Second
)

// errFirst is why the first process of a service takes nothing over.
var errFirst = errors.New("no earlier process left sessions")

// errKeeps is why a process takes nothing over from one that runs.
var errKeeps = errors.New("the running dc_server did not hand its sessions over")

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
