package socket

import (
	"net/netip"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

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
