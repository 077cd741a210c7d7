package socket

import (
	"errors"
	"net/netip"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Peer is the process at the other end of a unix socket, as it was when it connected. IDs that
// the user namespace of this process does not know are the overflow ID, mostly 65534.
type Peer struct {
	PID int32 // 0: in a PID namespace that cannot be seen from here
	UID uint32
	GID uint32
}

// maxGroups is the most supplementary groups that a process can have (NGROUPS_MAX).
const maxGroups = 65536

// Access says which peers of a unix socket are served: those of the users, and those that
// are in one of the groups. It is for one goroutine.
type Access struct {
	Users  []uint32
	Groups []uint32

	peer Peer
	held []uint32 // the supplementary groups of a peer
}

// Clone gives the same for another goroutine. That of nil is nil.
func (a *Access) Clone() *Access {
	if a == nil {
		return nil
	}
	return &Access{Users: a.Users, Groups: a.Groups}
}

// errTooManyGroups cannot happen.
var errTooManyGroups = errors.New("the peer has more groups than a process can have")

// Admits reports whether the peer of fd is served, and which process it is. After an error,
// which is that of getsockopt(2), it is not. It asks for the supplementary groups only where
// the user and the primary group do not decide.
func (a *Access) Admits(fd int) (bool, Peer, error) {
	size := uint32(unsafe.Sizeof(a.peer))
	if err := getsockopt(fd, unix.SO_PEERCRED, unsafe.Pointer(&a.peer), &size); err != nil {
		return false, Peer{}, Error("getsockopt SO_PEERCRED", err)
	}
	if slices.Contains(a.Users, a.peer.UID) || slices.Contains(a.Groups, a.peer.GID) {
		return true, a.peer, nil
	}
	if len(a.Groups) == 0 {
		return false, a.peer, nil
	}
	if err := a.readGroups(fd); err != nil {
		return false, a.peer, Error("getsockopt SO_PEERGROUPS", err)
	}
	member := slices.ContainsFunc(a.held, func(group uint32) bool { return slices.Contains(a.Groups, group) })
	return member, a.peer, nil
}

// readGroups reads the supplementary groups of the peer into held.
func (a *Access) readGroups(fd int) error {
	for n := min(max(64, cap(a.held)), maxGroups); n <= maxGroups; n *= 2 {
		a.held = slices.Grow(a.held[:0], n)[:n]
		size := uint32(n) * uint32(unsafe.Sizeof(a.held[0]))
		err := getsockopt(fd, unix.SO_PEERGROUPS, unsafe.Pointer(unsafe.SliceData(a.held)), &size)
		if err != unix.ERANGE {
			a.held = a.held[:size/uint32(unsafe.Sizeof(a.held[0]))]
			return err
		}
	}
	return errTooManyGroups
}

// getsockopt reads an option of level SOL_SOCKET into size bytes at value. It allocates nothing.
func getsockopt(fd, option int, value unsafe.Pointer, size *uint32) error {
	_, _, errno := unix.RawSyscall6(unix.SYS_GETSOCKOPT, uintptr(fd), unix.SOL_SOCKET, uintptr(option),
		uintptr(value), uintptr(unsafe.Pointer(size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// PeerAddress is the address of the TCP connection fd's other side, as text: host:port, or "" where it is not known.
func PeerAddress(fd int) string {
	if at := PeerAddrPort(fd); at.IsValid() {
		return at.String()
	}
	return ""
}

// PeerAddrPort is the address of the TCP connection fd's other side. It is not valid for other sockets.
func PeerAddrPort(fd int) netip.AddrPort {
	name, err := unix.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}
	}
	switch sa := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
