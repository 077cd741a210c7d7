package load

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls here never block, so they go to the kernel without telling Go's scheduler: that saves more than the loop's
// own work takes. Each returns 0 or the error number.

// openSocket returns a non-blocking stream socket.
func openSocket(family int) (int, unix.Errno) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, uintptr(family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	return int(fd), errno
}

// connectSocket begins to connect. name is a socket address as the kernel wants it.
func connectSocket(fd int, name []byte) unix.Errno {
	_, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&name[0])), uintptr(len(name)))
	return errno
}

// sendSocket sends what the socket takes of b, which is not empty.
func sendSocket(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// receiveSocket reads what is there, up to len(b), which is not 0. At the end of the stream it returns 0.
func receiveSocket(fd int, b []byte) (int, unix.Errno) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// closeSocket cannot fail in a way that matters: nothing unsent is lost that anybody waits for.
func closeSocket(fd int) {
	_, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0)
}

// again reports whether the call is to be repeated when the socket is ready.
func again(errno unix.Errno) bool {
	return errno == unix.EAGAIN || errno == unix.EINTR
}
