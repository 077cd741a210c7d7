package socket

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// Descriptors that a peer passes over a unix socket (unix(7), SCM_RIGHTS) are a danger to a
// process that does not want them. The kernel closes those that are not received, in the read
// or the close of the socket, and the last close of a file may block for as long as the peer
// likes: that of a TCP socket with unsent bytes and SO_LINGER does.

// RefuseRights makes the kernel refuse descriptors that are sent to the unix socket fd, and to
// those that connect to it from now on: sendmsg(2) fails with EPERM. It reports false where
// the kernel cannot: before Linux 6.16.
func RefuseRights(fd int) bool {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSRIGHTS, 0) == nil
}

// ReadInline makes out-of-band bytes of the unix socket fd part of the stream, where Peek sees
// what they carry.
func ReadInline(fd int) {
	_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1) // before Linux 5.15 there are none
}

// Peek is Read, but the bytes stay unread. rights tells that descriptors came with them, which
// the next read would close.
func Peek(fd int, b []byte) (n int, rights bool, err error) {
	n, cut, err := peek(fd, b)
	if !cut {
		return n, false, err
	}
	// Credentials that the socket inherited the wish for look the same.
	for _, option := range []int{unix.SO_PASSCRED, unix.SO_PASSSEC, unix.SO_PASSPIDFD} {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, option, 0)
	}
	return peek(fd, b)
}

// peek gives no room for what comes beside the bytes. The kernel tells when that cut something off.
func peek(fd int, b []byte) (n int, cut bool, err error) {
	piece := unix.Iovec{Base: unsafe.SliceData(b)}
	piece.SetLen(len(b))
	message := unix.Msghdr{Iov: &piece}
	message.SetIovlen(1)
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch errno {
		case 0:
			return int(n), message.Flags&unix.MSG_CTRUNC != 0, nil
		case unix.EINTR:
		default:
			return 0, false, errno
		}
	}
}

// ShutDown ends the unix socket fd in both directions. It reports whether the peer left
// nothing unread, and cannot any more: then close does not block.
func ShutDown(fd int) (empty bool) {
	_ = unix.Shutdown(fd, unix.SHUT_RDWR) // ENOTCONN: the peer is gone, and cannot send either
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	return err == nil && n == 0
}
