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
