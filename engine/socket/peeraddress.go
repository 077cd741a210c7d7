package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// PeerAddress is the address of the TCP connection fd's other side, as text: host:port, or "" where it is not known.
func PeerAddress(fd int) string {
	name, err := unix.Getpeername(fd)
	if err != nil {
		return ""
	}
	switch sa := name.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr).Unmap(), uint16(sa.Port)).String()
	}
	return ""
}
