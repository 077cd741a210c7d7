package address

import (
	"net"
	"strconv"
	"strings"
)

// MaxPath is the greatest length of a unix socket's path, in bytes: sun_path has 108, and the last one is a NUL.
const MaxPath = 107

// Kind is the form of an Address.
type Kind uint8

// The kinds of address. The zero value is no address.
const (
	Unix       Kind = iota + 1 // UNIX:/path
	TCP                        // IP:…, IPv4:…, IPv6:…
	Descriptor                 // FD:n
	Systemd                    // systemd
)

// String returns the name of the kind.
func (k Kind) String() string {
	switch k {
	case Unix:
		return "unix"
	case TCP:
		return "tcp"
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
	AnyFamily Family = iota // IP:
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

// Address is one parsed address. Fields that do not belong to its Kind are zero. Two addresses that are written
// differently but mean the same (IP:9001 and IP::9001) are equal under ==.
type Address struct {
	Kind   Kind
	Path   string // Unix: the socket's path, 1 to MaxPath bytes
	Host   string // TCP: a host name or an address without brackets; "" is every interface
	Port   uint16 // TCP: 0 is any free port
	Family Family // TCP: which addresses of the host are meant
	FD     int    // Descriptor: its number, 3 or more
}

// String returns the canonical text of the address, which parses to the same Address.
func (a Address) String() string {
	switch a.Kind {
	case Unix:
		return unixPrefix + a.Path
	case TCP:
		return a.tcpString()
	case Descriptor:
		return descriptorPrefix + strconv.Itoa(a.FD)
	case Systemd:
		return systemdText
	}
	return ""
}

func (a Address) tcpString() string {
	port := strconv.Itoa(int(a.Port))
	if a.Host == "" {
		return a.Family.String() + ":" + port
	}
	return a.Family.String() + ":" + net.JoinHostPort(a.Host, port)
}

// IsRelative reports whether this is the path of a unix socket that depends on the working directory. A daemon changes
// to / and so cannot use one.
func (a Address) IsRelative() bool {
	return a.Kind == Unix && !strings.HasPrefix(a.Path, "/")
}
