package upstream

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"distcache/internal/address"
	"distcache/internal/socket"

	"golang.org/x/sys/unix"
)

// endpoint is one address of the server, as the kernel takes it.
type endpoint struct {
	name     string // for messages
	family   int
	sockaddr unix.Sockaddr
}

// route is the endpoints of one attempt, in the order in which they are tried. It
// begins with the one that answered last; where none did, with the one after those that
// were tried, so that a long list is gone through in time and a server that only
// accepts does not keep the others from their turn.
type route struct {
	endpoints []endpoint
	current   endpoint
	tried     int
	first     int
}

func (r *route) begin(found []endpoint) {
	r.endpoints, r.tried = found, 0
}

// leastShare is the least time that an address gets of an attempt when there are others.
const leastShare = 250 * time.Millisecond

// next is the next endpoint and its share of the attempt.
func (r *route) next() (endpoint, time.Duration, bool) {
	n := len(r.endpoints)
	if r.tried == n {
		return endpoint{}, 0, false
	}
	r.current = r.endpoints[(r.first+r.tried)%n]
	r.tried++
	if r.tried == n {
		return r.current, AttemptTimeout, true
	}
	return r.current, max(leastShare, AttemptTimeout/time.Duration(n)), true
}

// ended notes the end of the attempt, and whether the endpoint tried last had answered.
func (r *route) ended(answered bool) {
	r.first += r.tried
	if answered {
		r.first--
	}
	r.tried = 0
}

// resolve finds the endpoints of target. It blocks, for a host name.
func resolve(ctx context.Context, target address.Address) ([]endpoint, error) {
	if target.Kind == address.Unix {
		return []endpoint{{
			name:     target.String(),
			family:   unix.AF_UNIX,
			sockaddr: &unix.SockaddrUnix{Name: target.Path},
		}}, nil
	}
	network := map[address.Family]string{address.IPv4: "ip4", address.IPv6: "ip6"}[target.Family]
	if network == "" {
		network = "ip"
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, network, target.Host)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %s: %w", target, err)
	}
	var all []endpoint
	for _, ip := range ips {
		all = append(all, inet(ip.Unmap(), target.Port))
	}
	return all, nil
}

func inet(ip netip.Addr, port uint16) endpoint {
	e := endpoint{name: net.JoinHostPort(ip.String(), strconv.Itoa(int(port)))}
	if ip.Is4() {
		e.family = unix.AF_INET
		e.sockaddr = &unix.SockaddrInet4{Port: int(port), Addr: ip.As4()}
		return e
	}
	e.family = unix.AF_INET6
	e.sockaddr = &unix.SockaddrInet6{Port: int(port), Addr: ip.As16(), ZoneId: zoneID(ip.Zone())}
	return e
}

// zoneID is the interface of a link-local address; 0 when it has none.
func zoneID(zone string) uint32 {
	if zone == "" {
		return 0
	}
	if i, err := net.InterfaceByName(zone); err == nil {
		return uint32(i.Index)
	}
	n, _ := strconv.ParseUint(zone, 10, 32) // not a number: no zone
	return uint32(n)
}

// explain says with which address an error was met.
func (e endpoint) explain(err error) error { return fmt.Errorf("%s: %w", e.name, err) }

// socket makes the non-blocking socket for e.
func (e endpoint) socket() (int, error) {
	fd, err := unix.Socket(e.family, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, e.explain(socket.Error("socket", err))
	}
	if err := socket.TuneTCP(fd); err != nil {
		_ = unix.Close(fd)
		return -1, e.explain(err)
	}
	return fd, nil
}
