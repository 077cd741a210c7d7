package daemon

import (
	"fmt"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/engine"
	"distcache/internal/daemon/listen"
)

// acceptor is one listening socket of a reactor.
type acceptor struct {
	fd       int // the reactor's own descriptor of the socket
	socket   *listen.Socket
	listener *engine.Listener
}

// accept begins to accept from a listening socket, up to maxClients clients of all reactors
// together. The first reactor takes over the socket's descriptor. Each other one gets its own,
// because each closes its own at the end.
func (d *running) accept(i int, socket *listen.Socket) error {
	a, r := &acceptor{fd: socket.FD, socket: socket}, d.reactors[i]
	if i > 0 {
		own, err := unix.FcntlInt(uintptr(socket.FD), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return fmt.Errorf("cannot share the listening socket between loops: %w", err)
		}
		a.fd = own
	}
	listener, err := r.loop.Listen(a.fd, r.clients, d.config.MaxClients)
	if err != nil {
		return err
	}
	listener.Shared = len(d.reactors) > 1
	listener.Adopted = socket.Adopted
	a.listener = listener
	r.acceptors = append(r.acceptors, a)
	return nil
}

// stop makes the kernel refuse new connections; those in the backlog are still accepted.
// Without the shutdown, clients that connect between the last accept and the close would be
// reset. For TCP there is no such call. A socket that was passed in stays open: the
// connections in its backlog wait for the next process that gets it.
func (a *acceptor) stop() {
	switch {
	case a.socket.Adopted:
		a.listener.Leave()
		return
	case a.socket.Kind() == address.Unix:
		_ = unix.Shutdown(a.fd, unix.SHUT_RD) // at worst some connections are reset
	}
	a.listener.Stop()
}
