package kit

import (
	"errors"
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// Backlog is a TCP listener that never accepts. Its backlog is full, so a connection to it
// hangs until the client gives up, or until Close.
type Backlog struct {
	At Endpoint

	fd      int
	waiting net.Conn // the one that fills it
}

// FullBacklog listens there, on an IPv4 address, until the test ends. Port 0 is any.
func FullBacklog(t testing.TB, at Endpoint) *Backlog {
	t.Helper()
	where, err := netip.ParseAddrPort(at.Address)
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	b := &Backlog{fd: fd}
	t.Cleanup(b.Close)
	name := &unix.SockaddrInet4{Port: int(where.Port()), Addr: where.Addr().As4()}
	if err := errors.Join(unix.Bind(fd, name), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	bound, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := bound.(*unix.SockaddrInet4).Port
	b.At = Endpoint{"tcp", netip.AddrPortFrom(where.Addr(), uint16(port)).String()}
	if b.waiting, err = b.At.dial(); err != nil {
		t.Fatal(err)
	}
	Wait(t, Patience, "full backlog", b.full)
	return b
}

// full reports whether the kernel drops the next SYN. For a listener tcp_info has the number
// of connections that wait to be accepted in “unacked”, and the backlog in “sacked”.
func (b *Backlog) full() bool {
	info, err := unix.GetsockoptTCPInfo(b.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && info.Unacked > info.Sacked
}

// Port is the port that it listens on.
func (b *Backlog) Port() int {
	return int(netip.MustParseAddrPort(b.At.Address).Port())
}

// Close ends it. Closing it again does nothing.
func (b *Backlog) Close() {
	if b.fd < 0 {
		return
	}
	_ = unix.Close(b.fd)
	b.fd = -1
	if b.waiting != nil {
		_ = b.waiting.Close()
	}
}
