package socket

import (
	"os"
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
