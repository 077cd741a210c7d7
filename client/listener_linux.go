package client

import (
	"net"
	"os"
	"syscall"
)

// knowsListener says whether listenerUID works here.
const knowsListener = true

// listenerUID returns the user that the process had which made the other end of socket, a
// connected unix socket, a listener.
func listenerUID(socket net.Conn) (int, error) {
	has, ok := socket.(syscall.Conn)
	if !ok {
		return 0, errNoCredentials
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *syscall.Ucred
	var failed error
	err = raw.Control(func(fd uintptr) {
		peer, failed = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	})
	if err != nil {
		return 0, err
	}
	if failed != nil {
		return 0, os.NewSyscallError("getsockopt SO_PEERCRED", failed)
	}
	return int(peer.Uid), nil
}
