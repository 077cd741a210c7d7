package address

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// MaxPath is the greatest length of a unix socket's path, in bytes: sun_path has 108, and the last one is a NUL.
const MaxPath = 107

// Kind is the form of an Address.
type Kind uint8

// The kinds of address. The zero value is no address.
const (
	Unix       Kind = iota + 1 // UNIX:/path
	TCP                        // IP:…, IPv4:…, IPv6:…
	TLS                        // TLS:…: TCP with TLS on the connection
	Descriptor                 // FD:n
	Systemd                    // systemd, systemd:name
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Unix:
		return "unix"
	case TCP:
		return "tcp"
	case TLS:
		return "tls"
	case Descriptor:
		return "descriptor"
	case Systemd:
		return "systemd"
	}
	return "no address"
}

// Family says which IP versions a TCP address stands for.
type Family uint8

// The families of a TCP address.
const (
	AnyFamily Family = iota // IP: a host name's addresses of both; without a host, IPv4
	IPv4                    // IPv4:
	IPv6                    // IPv6:
)

// String returns the family's scheme without the colon: IP, IPv4 or IPv6.
func (f Family) String() string {
	switch f {
	case IPv4:
		return "IPv4"
	case IPv6:
		return "IPv6"
	}
	return "IP"
}

// version is the digit that package net puts behind a network's name for the family: "4", "6", or "" for both.
func (f Family) version() string { return strings.TrimPrefix(f.String()[len("IP"):], "v") }

// Address is one parsed address. Fields that do not belong to its Kind are zero. Two addresses that are written
// differently but mean the same (IP:9001 and IP::9001) are equal under ==.
type Address struct {
	Kind   Kind
	Path   string // Unix: the socket's path, 1 to MaxPath bytes
	Host   string // TCP, TLS: a host name or an address without brackets; "" is every interface, of one IP version
	Port   uint16 // TCP, TLS: 0 is any free port
	Family Family // TCP: which addresses of the host are meant
	FD     int    // Descriptor: its number, 3 or more
	Name   string // Systemd: the sockets of that name (FileDescriptorName=); "" is all
}

// String returns the canonical text of the address, which parses to the same Address.
func (a Address) String() string {
	switch a.Kind {
	case Unix:
		return unixPrefix + a.Path
	case TCP:
		return a.Family.String() + ":" + strings.TrimPrefix(a.hostPort(), ":")
	case TLS:
		return tlsPrefix + strings.TrimPrefix(a.hostPort(), ":")
	case Descriptor:
		return descriptorPrefix + strconv.Itoa(a.FD)
	case Systemd:
		if a.Name != "" {
			return systemdPrefix + a.Name
		}
		return systemdText
	}
	return ""
}

// IsRelative reports whether this is the path of a unix socket that depends on the working directory. A daemon changes
// to / and so cannot use one.
func (a Address) IsRelative() bool {
	return a.Kind == Unix && !strings.HasPrefix(a.Path, "/")
}

// IsLoopback reports whether a TCP address stands for this host alone, as far as its text tells: localhost, or an address
// such as 127.0.0.1 and ::1.
func (a Address) IsLoopback() bool {
	ip, err := netip.ParseAddr(a.Host)
	return strings.EqualFold(a.Host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// Same reports whether b names the same place to listen on, as far as the texts tell: IP:9001 and IPv4:9001, UNIX:/a/b and
// UNIX:/a//b, systemd and systemd:name.
func (a Address) Same(b Address) bool {
	if a.Kind == Systemd && b.Kind == Systemd && (a.Name == "" || b.Name == "") {
		return true
	}
	return a.plain() == b.plain()
}

// plain is the address without differences of spelling.
func (a Address) plain() Address {
	switch {
	case a.Kind == Unix:
		a.Path = filepath.Clean(a.Path)
	case a.Kind == TCP && a.Family == IPv4:
		a.Family = AnyFamily
	}
	return a
}

// Endpoint returns the address in the words of package net, for net.Dial: the network (unix, tcp, tcp4 or tcp6), and a
// path or host:port. It is for Unix, TCP and TLS addresses only.
func (a Address) Endpoint() (network, target string) {
	if a.Kind == Unix {
		return "unix", a.Path
	}
	return "tcp" + a.Family.version(), a.hostPort()
}

func (a Address) hostPort() string {
	port := strconv.Itoa(int(a.Port))
	if a.Host == "" {
		return ":" + port
	}
	return net.JoinHostPort(a.Host, port)
}

// Resolve returns the IP addresses of a TCP or TLS address that has a host, each with the port, in the resolver's order. IPv4
// addresses have the form of 4 bytes; an IPv6 address that is written with a zone keeps it. A host name is looked up,
// which blocks; resolver nil is net.DefaultResolver. The error is that of the resolver, or net.DNSError when it found none.
func (a Address) Resolve(ctx context.Context, resolver *net.Resolver) ([]netip.AddrPort, error) {
	if ip, err := netip.ParseAddr(a.Host); err == nil { // the resolver would lose its zone
		return []netip.AddrPort{netip.AddrPortFrom(ip.Unmap(), a.Port)}, nil
	}
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	found, err := resolver.LookupNetIP(ctx, "ip"+a.Family.version(), a.Host)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, &net.DNSError{Err: "no suitable address", Name: a.Host, IsNotFound: true}
	}
	all := make([]netip.AddrPort, 0, len(found))
	for _, ip := range found {
		all = append(all, netip.AddrPortFrom(ip.Unmap(), a.Port))
	}
	return all, nil
}

// ZoneIndex returns the index of the network interface that the zone of an IPv6 address names, by name or by number.
// The empty zone is 0.
func ZoneIndex(zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if index, err := strconv.ParseUint(zone, 10, 32); err == nil {
		return uint32(index), nil
	}
	link, err := net.InterfaceByName(zone)
	if err != nil {
		return 0, fmt.Errorf("zone %s: %w", zone, err)
	}
	return uint32(link.Index), nil
}

// Dial's pauses while the backlog is full grow from the first of these to the second.
const (
	firstPause = time.Millisecond
	lastPause  = 16 * time.Millisecond
)

// Dial connects to a Unix or TCP address. It returns ErrTLS for a TLS address: the connection would be a plain one. A unix socket with a full backlog refuses with EAGAIN where TCP would wait:
// Dial tries again until ctx is done, and then returns the last refusal. The error is that of net.Dialer.
func (a Address) Dial(ctx context.Context) (net.Conn, error) {
	if a.Kind == TLS {
		return nil, &Error{Text: a.String(), Err: ErrTLS}
	}
	var dialer net.Dialer
	network, target := a.Endpoint()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		conn, err := dialer.DialContext(ctx, network, target)
		if !errors.Is(err, syscall.EAGAIN) {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(pause):
		}
	}
}
