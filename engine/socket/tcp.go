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
