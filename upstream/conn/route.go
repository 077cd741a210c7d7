package conn

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"distcache/codec/address"
	"distcache/engine/socket"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// endpoint is one address of the server, as the kernel takes it.
type endpoint struct {
	name     string // for messages
	family   int
	sockaddr unix.Sockaddr
}

// route is the endpoints of one attempt, in the order in which they are tried. It
// begins with the one that answered last; the others follow by how long ago they were
// tried, in the order in which they were found where that is the same. So a long list is
// gone through in time, a server that only accepts does not keep the others from their
// turn, and a name server that gives the addresses in another order each time does no harm.
type route struct {
	endpoints []endpoint
	current   endpoint
	tried     int
	answered  string            // the name of the endpoint that answered last
	turns     map[string]uint64 // by name: when it was tried last, in endpoints tried since start
	turn      uint64
}

func (r *route) begin(found []endpoint) {
	r.endpoints, r.tried = found, 0
	known := r.turns
	r.turns = make(map[string]uint64, len(found))
	for _, e := range found { // and no others: names come and go
		r.turns[e.name] = known[e.name]
	}
	slices.SortStableFunc(r.endpoints, func(a, b endpoint) int {
		return cmp.Compare(r.rank(a), r.rank(b))
	})
}

// rank is the place of e in the order of an attempt.
func (r *route) rank(e endpoint) int64 {
	if e.name == r.answered {
		return -1
	}
	return int64(r.turns[e.name])
}

// leastShare is the least time that an address gets of an attempt when there are others.
const leastShare = 250 * time.Millisecond

// next is the next endpoint and its share of the attempt.
func (r *route) next() (endpoint, time.Duration, bool) {
	n := len(r.endpoints)
	if r.tried == n {
		return endpoint{}, 0, false
	}
	r.current = r.endpoints[r.tried]
	r.tried++
	r.turn++
	r.turns[r.current.name] = r.turn
	if r.tried == n {
		return r.current, upstream.AttemptTimeout, true
	}
	return r.current, max(leastShare, upstream.AttemptTimeout/time.Duration(n)), true
}

// ended notes the end of the attempt, and whether the endpoint tried last had answered.
func (r *route) ended(answered bool) {
	switch {
	case answered:
		r.answered = r.current.name
	case r.tried > 0:
		r.answered = "" // it had its chance, as the first of all
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
	if ip, err := netip.ParseAddr(target.Host); err == nil { // the resolver would lose its zone
		return []endpoint{inet(ip.Unmap(), target.Port)}, nil
	}
	network := map[address.Family]string{address.IPv4: "ip4", address.IPv6: "ip6"}[target.Family]
	if network == "" {
		network = "ip"
	}
	// A resolver of its own: lookups of one name are shared within a resolver, also with one
	// of an earlier attempt that still waits for a name server that does not answer.
	resolver := net.Resolver{PreferGo: net.DefaultResolver.PreferGo, Dial: net.DefaultResolver.Dial}
	ips, err := resolver.LookupNetIP(ctx, network, target.Host)
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
