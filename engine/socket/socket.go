package socket

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Accept takes the next connection from the listening socket fd: non-blocking and
// closed on exec. It returns unix.EAGAIN when there is none.
func Accept(fd int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_ACCEPT4, uintptr(fd), 0, 0,
			unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// Read reads what is there into b, which must not be empty. It returns 0 and no
// error at the end of the stream, and unix.EAGAIN when nothing is there.
func Read(fd int, b []byte) (int, error) {
	return transfer(unix.SYS_READ, fd, b)
}

// Write writes as much of b, which must not be empty, as the socket takes. It
// returns unix.EAGAIN when that is nothing.
func Write(fd int, b []byte) (int, error) {
	return transfer(unix.SYS_WRITE, fd, b)
}

func transfer(call uintptr, fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Error gives err the name of the system call that returned it.
func Error(call string, err error) error { return os.NewSyscallError(call, err) }

// IsUnix reports whether fd is a unix socket.
func IsUnix(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// Unread is how many bytes that were written to fd the kernel still has: those that the
// peer has not read (of a unix socket, with what the kernel adds to each piece) or not
// acknowledged (TCP). It is 0 where that cannot be known.
func Unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// A peer that has gone is noticed by the kernel when nothing else does: an idle
// connection is probed from tcpIdle on, and given up after tcpProbes missed ones or
// after unacknowledged bytes have waited for tcpUserTimeout.
const (
	tcpIdle        = 10     // seconds
	tcpInterval    = 3      // seconds
	tcpProbes      = 3      // in a row
	tcpUserTimeout = 10_000 // ms
)

// TuneTCP sets what every TCP socket of ours has: no waiting for acknowledgements
// before small messages, and an end to peers that have gone. What is accepted from a
// listening socket takes it over. A socket that is not TCP is left as it is, and so are
// options that one does not have: a socket of Multipath TCP, which a supervisor in Go
// passes in, lacks some of them.
func TuneTCP(fd int) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return Error("getsockopt", err)
	}
	if domain != unix.AF_INET && domain != unix.AF_INET6 {
		return nil
	}
	for _, o := range []struct{ level, name, value int }{
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, tcpIdle},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, tcpInterval},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, tcpProbes},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, tcpUserTimeout},
	} {
		switch err := unix.SetsockoptInt(fd, o.level, o.name, o.value); err {
		case nil, unix.ENOPROTOOPT, unix.EOPNOTSUPP:
		default:
			return Error("setsockopt", err)
		}
	}
	return nil
}
