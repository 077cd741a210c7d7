package socket

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer4 is the address and port of an IPv4 peer: the four bytes of the address, then the port.
type Peer4 uint64

// String gives it as address:port.
func (p Peer4) String() string {
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], uint32(p>>16))
	return netip.AddrPortFrom(netip.AddrFrom4(a), uint16(p)).String()
}

// ListenDatagrams makes a UDP socket on an IPv4 address, non-blocking and close-on-exec, that keeps
// at most room bytes of what has not been read, with the kernel's overhead. It returns the address
// with the port that it was given.
func ListenDatagrams(at netip.AddrPort, room int) (fd int, bound netip.AddrPort, err error) {
	fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, at, Error("socket", err)
	}
	bound, err = bindDatagrams(fd, at, room)
	if err != nil {
		_ = unix.Close(fd)
		return -1, at, err
	}
	return fd, bound, nil
}

func bindDatagrams(fd int, at netip.AddrPort, room int) (netip.AddrPort, error) {
	// The kernel doubles what is asked for.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, room/2); err != nil {
		return at, Error("setsockopt SO_RCVBUF", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return at, Error("bind", err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		return at, Error("getsockname", err)
	}
	if name, ok := name.(*unix.SockaddrInet4); ok {
		at = netip.AddrPortFrom(netip.AddrFrom4(name.Addr), uint16(name.Port))
	}
	return at, nil
}

// Receive reads the next datagram into b, which must not be empty; what does not fit is lost. It returns
// unix.EAGAIN if there is none.
func Receive(fd int, b []byte) (n int, from Peer4, err error) {
	var name unix.RawSockaddrInet4
	size := uint32(unsafe.Sizeof(name))
	for {
		r, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			0, uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&size)))
		switch errno {
		case 0:
			port := binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(&name.Port))[:])
			return int(r), Peer4(binary.BigEndian.Uint32(name.Addr[:]))<<16 | Peer4(port), nil
		case unix.EINTR:
		default:
			return 0, 0, errno
		}
	}
}

// Send sends the datagram b, which must not be empty. It returns unix.EAGAIN if the socket has no room.
func Send(fd int, b []byte, to Peer4) error {
	name := unix.RawSockaddrInet4{Family: unix.AF_INET}
	binary.BigEndian.PutUint32(name.Addr[:], uint32(to>>16))
	binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], uint16(to))
	for {
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)),
			0, uintptr(unsafe.Pointer(&name)), unsafe.Sizeof(name))
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}
