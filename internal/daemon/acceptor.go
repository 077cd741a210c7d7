package daemon

import (
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

// newAcceptor begins to accept from fd, the reactor's own descriptor of the nth listening socket,
// up to the client limit of all reactors together.
func (d *running) newAcceptor(r *reactor, fd, n int, socket *listen.Socket) (*acceptor, error) {
	listener, err := r.loop.Listen(fd, r.clients, d.config.MaxClients)
	if err != nil {
		return nil, err
	}
	listener.Secure = socket.Kind() == address.TLS
	listener.Shared = len(d.reactors) > 1
	listener.Adopted = socket.Adopted
	listener.Front = d.plan.frontOf(n)
	listener.Pauses = listener.Front > 0
	listener.Access = d.access.Load().Clone()
	return &acceptor{fd: fd, socket: socket, listener: listener}, nil
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
