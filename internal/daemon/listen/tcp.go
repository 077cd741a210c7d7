package listen

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/engine/socket"
)

// resolveWait is how long a start waits for a host name to be resolved.
const resolveWait = 10 * time.Second

// endpoint is one address that a socket may be bound to.
type endpoint struct {
	ip   netip.Addr
	dual bool // an IPv6 socket that takes IPv4 connections too
}

func openTCP(addr address.Address, opt Options) (*Socket, error) {
	endpoints, err := endpointsOf(addr)
	if err != nil {
		return nil, err
	}
	for _, e := range endpoints {
		var s *Socket
		s, err = listenTCP(addr, e, opt.backlog())
		if err == nil {
			return s, nil
		}
		if !absent(err) {
			break
		}
	}
	return nil, err
}

// absent reports whether the address, or its whole family, is not on this machine, so that the next one is worth a try.
func absent(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// endpointsOf returns what the address stands for, in the order of preference. A host name is resolved here and now; the
// socket will listen on one of its addresses, an IPv4 one if there is one, since that is all that dc_client 1.5 knew.
func endpointsOf(addr address.Address) ([]endpoint, error) {
	if addr.Host == "" {
		return everyInterface(addr.Family), nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveWait)
	defer cancel()
	found, err := addr.Resolve(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoAddress, err)
	}
	return ranked(found), nil
}

// ranked puts the IPv4 addresses first, and leaves the order of the resolver otherwise.
func ranked(found []netip.AddrPort) []endpoint {
	endpoints := make([]endpoint, 0, len(found))
	for _, f := range found {
		endpoints = append(endpoints, endpoint{ip: f.Addr()})
	}
	slices.SortStableFunc(endpoints, func(a, b endpoint) int { return a.ip.BitLen() - b.ip.BitLen() })
	return endpoints
}

func everyInterface(family address.Family) []endpoint {
	v4, v6 := netip.IPv4Unspecified(), netip.IPv6Unspecified()
	switch family {
	case address.IPv4:
		return []endpoint{{ip: v4}}
	case address.IPv6:
		return []endpoint{{ip: v6}}
	}
	return []endpoint{{ip: v6, dual: true}, {ip: v4}}
}

func listenTCP(addr address.Address, e endpoint, backlog int) (*Socket, error) {
	fd, err := newSocket(socket.Family(e.ip))
	if err != nil {
		return nil, err
	}
	s := &Socket{FD: fd, addr: addr}
	if err := s.startTCP(e, backlog); err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

func (s *Socket) startTCP(e endpoint, backlog int) error {
	if err := setTCPOptions(s.FD, e); err != nil {
		return err
	}
	if err := bindTCP(s.FD, e.ip, s.addr.Port); err != nil {
		return err
	}
	if err := s.listen(backlog); err != nil {
		return err
	}
	bound, err := boundAddress(s.FD)
	if err != nil {
		return err
	}
	s.addr.Port = bound.Port
	if s.addr.Host != "" {
		s.addr.Host = e.ip.String()
	}
	return nil
}

func setTCPOptions(fd int, e endpoint) error {
	// So that a restart does not wait for the connections of the last run to leave TIME_WAIT.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_REUSEADDR", err)
	}
	if !e.ip.Is6() {
		return nil
	}
	only := 1
	if e.dual {
		only = 0
	}
	return os.NewSyscallError("setsockopt IPV6_V6ONLY", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, only))
}

func bindTCP(fd int, ip netip.Addr, port uint16) error {
	sa, err := socket.Sockaddr(netip.AddrPortFrom(ip, port))
	if err != nil {
		return err
	}
	switch err := unix.Bind(fd, sa); err {
	case nil:
		return nil
	case unix.EADDRINUSE:
		return ErrInUse
	case unix.EACCES:
		return fmt.Errorf("ports below net.ipv4.ip_unprivileged_port_start are for root: %w", os.NewSyscallError("bind", err))
	default:
		return os.NewSyscallError("bind", err)
	}
}

// boundAddress asks the kernel what the socket is bound to.
func boundAddress(fd int) (address.Address, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return address.Address{}, os.NewSyscallError("getsockname", err)
	}
	switch sa := sa.(type) {
	case *unix.SockaddrUnix:
		return address.Address{Kind: address.Unix, Path: sa.Name}, nil
	case *unix.SockaddrInet4:
		return tcpAddress(netip.AddrFrom4(sa.Addr), sa.Port), nil
	case *unix.SockaddrInet6:
		return tcpAddress(netip.AddrFrom16(sa.Addr), sa.Port), nil
	}
	return address.Address{}, ErrNotListening
}

func tcpAddress(ip netip.Addr, port int) address.Address {
	addr := address.Address{Kind: address.TCP, Host: ip.String(), Port: uint16(port)}
	if ip.IsUnspecified() {
		addr.Host = ""
	}
	return addr
}
