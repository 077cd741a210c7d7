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

// isLocal reports whether the address is on this machine, as far as can be told.
func isLocal(ip netip.Addr) bool {
	if ip.IsUnspecified() || ip.IsLoopback() {
		return true
	}
	all, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	return slices.ContainsFunc(all, func(a net.Addr) bool {
		prefix, err := netip.ParsePrefix(a.String())
		return err == nil && prefix.Addr().Unmap() == ip.WithZone("")
	})
}

// checkTCP looks for reasons why openTCP would fail: an address of another machine, or a privileged port.
func (p *Plan) checkTCP() error {
	if !slices.ContainsFunc(p.ips, isLocal) {
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

// openTCP listens on the first address that this machine has.
func (p *Plan) openTCP() (s *Socket, err error) {
	for _, ip := range p.ips {
		if s, err = listenTCP(p.addr, ip, p.backlog); err == nil || !absent(err) {
			break
		}
	}
	return s, err
}

// absent reports whether the address, or its whole family, is missing on this machine, so that the next one is to be tried.
func absent(err error) bool {
	return errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL)
}

// ipsOf returns the IP addresses that addr stands for, in the order of preference; the socket will listen on one of them. It
// resolves a host name, and prefers IPv4, which is all that dc_client 1.5 supports. Every interface means every IPv4
// interface unless IPv6 is asked for, as it did there: a site that filters IPv4 alone must not open its cache to IPv6.
func ipsOf(addr address.Address) ([]netip.Addr, error) {
	switch {
	case addr.Host == "" && addr.Family == address.IPv6:
		return []netip.Addr{netip.IPv6Unspecified()}, nil
	case addr.Host == "":
		return []netip.Addr{netip.IPv4Unspecified()}, nil
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
func ranked(found []netip.AddrPort) []netip.Addr {
	ips := make([]netip.Addr, 0, len(found))
	for _, f := range found {
		ips = append(ips, f.Addr())
	}
	slices.SortStableFunc(ips, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return ips
}

func listenTCP(addr address.Address, ip netip.Addr, backlog int) (*Socket, error) {
	fd, err := newSocket(socket.Family(ip))
	if err != nil {
		return nil, err
	}
	s := &Socket{FD: fd, addr: addr}
	if err := s.startTCP(ip, backlog); err != nil {
		return nil, s.fail(err)
	}
	return s, nil
}

func (s *Socket) startTCP(ip netip.Addr, backlog int) error {
	if err := setTCPOptions(s.FD, ip); err != nil {
		return err
	}
	if err := bindTCP(s.FD, ip, s.addr.Port); err != nil {
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
		s.addr.Host = ip.String()
	}
	return nil
}

func setTCPOptions(fd int, ip netip.Addr) error {
	// A restart does not wait for the connections of the last run to leave TIME_WAIT.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
		return os.NewSyscallError("setsockopt SO_REUSEADDR", err)
	}
	if !ip.Is6() {
		return nil
	}
	return os.NewSyscallError("setsockopt IPV6_V6ONLY", unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1))
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
	switch ip {
	case netip.IPv4Unspecified():
		addr.Host = ""
	case netip.IPv6Unspecified():
		addr.Host, addr.Family = "", address.IPv6
	}
	return addr
}
