package listen

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
	"distcache/engine/socket"
)

// resolveWait is how long a start waits for a host name to be resolved.
const resolveWait = 10 * time.Second

// unprivilegedFile holds the lowest port that every user may bind.
const unprivilegedFile = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// errPrivilegedPort explains EACCES.
var errPrivilegedPort = errors.New("ports below net.ipv4.ip_unprivileged_port_start need root or CAP_NET_BIND_SERVICE")

// endpoint is one address that a socket may be bound to.
type endpoint struct {
	ip   netip.Addr
	dual bool // an IPv6 socket that takes IPv4 connections too
}

// local reports whether the address is on this machine, as far as can be told.
func (e endpoint) local() bool {
	if e.ip.IsUnspecified() || e.ip.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == e.ip.WithZone("")
	})
}

// checkTCP looks for reasons why openTCP would fail: an address of another machine, or a privileged port.
func (p *Plan) checkTCP() error {
	if !slices.ContainsFunc(p.endpoints, endpoint.local) {
		return fmt.Errorf("not an address of this machine: %w", unix.EADDRNOTAVAIL)
	}
	limit, err := os.ReadFile(unprivilegedFile)
	if err != nil {
		return nil // without /proc only the attempt can tell
	}
	first, err := strconv.Atoi(strings.TrimSpace(string(limit)))
	if err == nil && p.addr.Port > 0 && int(p.addr.Port) < first && !capable(unix.CAP_NET_BIND_SERVICE) {
		return fmt.Errorf("%w: %w", errPrivilegedPort, unix.EACCES)
	}
	return nil
}

// openTCP listens on the first endpoint that this machine has.
func (p *Plan) openTCP() (s *Socket, err error) {
	for _, e := range p.endpoints {
		if s, err = listenTCP(p.addr, e, p.backlog); err == nil || !absent(err) {
			break
		}
	}
	return s, err
}

// absent reports whether the address, or its whole family, is missing on this machine, so that the next one is to be tried.
func absent(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// endpointsOf returns the endpoints of the address, in the order of preference. It resolves a host name. The socket will
// listen on one of its addresses, preferably IPv4, which is all that dc_client 1.5 supports.
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
	// A restart does not wait for the connections of the last run to leave TIME_WAIT.
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
		return fmt.Errorf("%w: %w", errPrivilegedPort, os.NewSyscallError("bind", err))
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
