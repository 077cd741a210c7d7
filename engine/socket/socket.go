package socket

import (
	"net/netip"
	"os"
	"time"
	"unsafe"

	"distcache/codec/address"

	"golang.org/x/sys/unix"
)

// Accept accepts the next connection of the listening socket fd, non-blocking and
// close-on-exec. It returns unix.EAGAIN if there is none. shared tells that another process may
// have made fd blocking: other goroutines run while Accept waits.
func Accept(fd int, shared bool) (int, error) {
	call := unix.RawSyscall6
	if shared {
		call = unix.Syscall6
	}
	for {
		n, _, errno := call(unix.SYS_ACCEPT4, uintptr(fd), 0, 0,
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

// acceptWait is how long an accept from a listening socket waits that another process has made
// blocking. The kernel rounds it up to a tick.
const acceptWait = time.Millisecond

// BoundAccept keeps Accept from waiting for ever, should another process that has the listening
// socket fd too make it blocking: it returns unix.EAGAIN after acceptWait.
func BoundAccept(fd int) error {
	wait := unix.NsecToTimeval(acceptWait.Nanoseconds())
	return Error("setsockopt", unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
}

// Unblock makes fd non-blocking. It reports whether it was blocking.
func Unblock(fd int) (was bool) {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_NONBLOCK == 0 && unix.SetNonblock(fd, true) == nil
}

// Waiting reports whether a connection waits in the backlog of the listening socket fd.
func Waiting(fd int) bool {
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
	return n > 0 || err != nil
}

// Read reads the available bytes into b, which must not be empty. It returns 0 and no error
// at the end of the stream, and unix.EAGAIN if no bytes are available.
func Read(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Write writes as much of b as the socket takes; b must not be empty. It returns
// unix.EAGAIN if that is nothing.
func Write(fd int, b []byte) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// Close closes a socket whose close does not block; it reports nothing.
func Close(fd int) { _, _, _ = unix.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }

// Error adds to err the name of the system call that returned it.
func Error(call string, err error) error { return os.NewSyscallError(call, err) }

// IsUnix reports whether fd is a unix socket.
func IsUnix(fd int) bool {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// Unread is the number of written bytes that the kernel still holds for fd: bytes that the
// peer has not read (unix socket, including the kernel's overhead for each piece) or not
// acknowledged (TCP). It is 0 if the kernel does not tell.
func Unread(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}

// Arrived is the number of bytes that have come and were not read. It is 1 if the kernel does not
// tell.
func Arrived(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCINQ)
	if err != nil {
		return 1
	}
	return n
}

// Family is the kernel's name of the IP version of ip: unix.AF_INET or unix.AF_INET6.
func Family(ip netip.Addr) int {
	if ip.Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

// Sockaddr is a as the kernel takes it. The error says that the address has a zone that
// names no network interface.
func Sockaddr(a netip.AddrPort) (unix.Sockaddr, error) {
	ip := a.Addr()
	if Family(ip) == unix.AF_INET {
		return &unix.SockaddrInet4{Addr: ip.As4(), Port: int(a.Port())}, nil
	}
	zone, err := address.ZoneIndex(ip.Zone())
	if err != nil {
		return nil, err
	}
	return &unix.SockaddrInet6{Addr: ip.As16(), Port: int(a.Port()), ZoneId: zone}, nil
}

// With these values the kernel notices a dead peer when nothing else does. It probes an idle
// connection from tcpIdle on, and gives it up after tcpProbes missed probes, or when bytes
// have not been acknowledged for tcpUserTimeout.
const (
	tcpIdle        = 10     // seconds
	tcpInterval    = 3      // seconds
	tcpProbes      = 3      // in a row
	tcpUserTimeout = 10_000 // ms
)

// TuneTCP sets the options of every TCP socket of the daemons: small messages do not wait
// for acknowledgements, dead peers are noticed, and close does not wait for the peer. Accepted connections inherit them from
// the listening socket. A socket that is not TCP stays as it is. Options that the socket
// does not have are skipped: a Multipath TCP socket, which a supervisor written in Go passes
// in, lacks some of them.
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
	// A supervisor may pass in a socket with SO_LINGER.
	return Error("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{}))
}
