//go:build unix

package client

import (
	"net"
	"syscall"
)

// looksAhead tells that isQuiet does.
const looksAhead = true

// isQuiet reports whether an idle connection has received nothing: neither its end nor bytes
// that answer no request. It does not wait.
func isQuiet(socket net.Conn) bool {
	has, ok := socket.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := has.SyscallConn()
	if err != nil {
		return false
	}
	var peeked error
	err = raw.Read(func(fd uintptr) bool {
		_, _, peeked = syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		return true
	})
	return err == nil && (peeked == syscall.EAGAIN || peeked == syscall.EWOULDBLOCK)
}
