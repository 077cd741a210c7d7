package socket

import (
	"net"
	"net/netip"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"
)

// TestTuneTCPIsTakenOver accepts a connection from a tuned listening socket and looks
// at the options of what was accepted.
func TestTuneTCPIsTakenOver(t *testing.T) {
	listener := tcpSocket(t)
	if err := TuneTCP(listener); err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(listener, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(listener, 1); err != nil {
		t.Fatal(err)
	}
	at, err := unix.Getsockname(listener)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(tcpSocket(t), at); err != nil {
		t.Fatal(err)
	}
	fd, err := Accept(listener, false)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	for _, o := range []struct {
		name              string
		level, opt, value int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, tcpIdle},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, tcpInterval},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, tcpProbes},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, tcpUserTimeout},
	} {
		got, err := unix.GetsockoptInt(fd, o.level, o.opt)
		if err != nil || got != o.value {
			t.Errorf("%s: got %d, %v, want %d", o.name, got, err, o.value)
		}
	}
}

func TestTuneTCPLeavesOthers(t *testing.T) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := TuneTCP(fd); err != nil {
		t.Errorf("a unix socket: got %v, want nil", err)
	}
	if TuneTCP(-1) == nil {
		t.Error("no socket: got nil, want an error")
	}
}

// TestTuneTCPTakesMultipath: a supervisor in Go passes sockets of Multipath TCP, which have
// not all of the options.
func TestTuneTCPTakesMultipath(t *testing.T) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_MPTCP)
	if err != nil {
		t.Skipf("this kernel has no Multipath TCP: %v", err)
	}
	defer unix.Close(fd)
	if err := TuneTCP(fd); err != nil {
		t.Errorf("got %v, want nil", err)
	}
	if got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE); err != nil || got != 1 {
		t.Errorf("SO_KEEPALIVE, which it has: got %d, %v, want 1", got, err)
	}
}

func tcpSocket(t *testing.T) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

func TestSockaddr(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Skip(err)
	}
	tests := []struct {
		text   string
		family int
		want   unix.Sockaddr
	}{
		{"192.0.2.1:9001", unix.AF_INET, &unix.SockaddrInet4{Addr: [4]byte{192, 0, 2, 1}, Port: 9001}},
		{"[::1]:9001", unix.AF_INET6, &unix.SockaddrInet6{Addr: [16]byte{15: 1}, Port: 9001}},
		{"[fe80::1%lo]:1", unix.AF_INET6,
			&unix.SockaddrInet6{Addr: [16]byte{0: 0xfe, 1: 0x80, 15: 1}, Port: 1, ZoneId: uint32(lo.Index)}},
	}
	for _, test := range tests {
		a := netip.MustParseAddrPort(test.text)
		if got, err := Sockaddr(a); err != nil || !reflect.DeepEqual(got, test.want) || Family(a.Addr()) != test.family {
			t.Errorf("%s: got %+v, %v, want %+v", test.text, got, err, test.want)
		}
	}
	if _, err := Sockaddr(netip.MustParseAddrPort("[fe80::1%no-such-link]:1")); err == nil {
		t.Error("an interface that does not exist: got no error")
	}
}
