package listen

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec/address"
)

// hasIPv6 reports whether this machine has the address ::1.
func hasIPv6() bool {
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		return false
	}
	_ = l.Close()
	return true
}

// reaches connects to the socket's port at the host.
func reaches(t *testing.T, s *Socket, host string) bool {
	t.Helper()
	text := s.Addr()
	port := text[strings.LastIndexByte(text, ':')+1:]
	conn, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), 5*time.Second)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	// Another process may listen on that port of that address.
	waiting := []unix.PollFd{{Fd: int32(s.FD), Events: unix.POLLIN}}
	if n, err := unix.Poll(waiting, 1000); err != nil || n == 0 {
		return false
	}
	fd, _, err := unix.Accept4(s.FD, unix.SOCK_CLOEXEC)
	check(t, err)
	check(t, unix.Close(fd))
	return true
}

func TestTCP(t *testing.T) {
	v6 := hasIPv6()
	tests := []struct {
		name, text string
		prefix     string // of the address without the port
		v4, v6     bool   // whether 127.0.0.1 and ::1 reach it
	}{
		{"every interface", "IP:0", "IP:", true, false},
		{"every interface, two colons", "IP::0", "IP:", true, false},
		{"every interface, IPv4", "IPv4:0", "IPv4:", true, false},
		{"every interface, IPv6", "IPv6:0", "IPv6:", false, true},
		{"all IPv4 interfaces by address", "IP:0.0.0.0:0", "IP:0.0.0.0:", true, false},
		{"IPv4 address", "IP:127.0.0.1:0", "IP:127.0.0.1:", true, false},
		{"IPv4 address in IPv6", "IP:[::ffff:127.0.0.1]:0", "IP:127.0.0.1:", true, false},
		{"all IPv6 interfaces by address", "IP:[::]:0", "IP:[::]:", false, true},
		{"IPv6 address", "IP:[::1]:0", "IP:[::1]:", false, true},
		{"host name", "IPv4:localhost:0", "IPv4:127.0.0.1:", true, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if !v6 && !test.v4 {
				t.Skip("this machine has no IPv6")
			}
			s, err := Open(mustParse(test.text), Options{})
			check(t, err)
			defer func() { check(t, s.Close()) }()
			port, found := strings.CutPrefix(s.Addr(), test.prefix)
			if !found || port == "0" || strings.Contains(port, ":") {
				t.Errorf("Addr: got %s, want %sport", s.Addr(), test.prefix)
			}
			if again, err := address.ParseListen(s.Addr()); err != nil || again.String() != s.Addr() {
				t.Errorf("Addr %s: got %v, %v when read, want the same", s.Addr(), again, err)
			}
			if got := reaches(t, s, "127.0.0.1"); got != test.v4 {
				t.Errorf("reached through 127.0.0.1: got %v, want %v", got, test.v4)
			}
			if got := reaches(t, s, "::1"); v6 && got != test.v6 {
				t.Errorf("reached through ::1: got %v, want %v", got, test.v6)
			}
		})
	}
}

func TestTCPInUse(t *testing.T) {
	first, err := Open(mustParse("IP:127.0.0.1:0"), Options{})
	check(t, err)
	defer func() { check(t, first.Close()) }()
	for _, text := range []string{first.Addr(), strings.Replace(first.Addr(), "127.0.0.1:", "", 1)} {
		_, err = Open(mustParse(text), Options{})
		if !errors.Is(err, ErrInUse) || !strings.HasPrefix(err.Error(), text+": ") {
			t.Errorf("%s: got %v, want %v, with the address", text, err, ErrInUse)
		}
	}
}

// TestTCPRestart listens again while a connection of the last run is in TIME_WAIT.
func TestTCPRestart(t *testing.T) {
	first, err := Open(mustParse("IP:127.0.0.1:0"), Options{})
	check(t, err)
	client, err := net.Dial("tcp", strings.TrimPrefix(first.Addr(), "IP:"))
	check(t, err)
	server, _, err := unix.Accept(first.FD)
	check(t, err)
	check(t, unix.Close(server)) // the side that closes first gets TIME_WAIT
	_, _ = client.Read(make([]byte, 1))
	check(t, client.Close())
	check(t, first.Close())
	second, err := Open(mustParse(first.Addr()), Options{})
	check(t, err)
	check(t, second.Close())
}

func TestTCPErrors(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"address of another machine", "IP:192.0.2.1:0", unix.EADDRNOTAVAIL},
		{"no such zone", "IP:[fe80::1%nosuchlink]:0", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Open(mustParse(test.text), Options{})
			if err == nil || test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
		})
	}
}

func TestPrivilegedPort(t *testing.T) {
	needRoot(t)
	h := startHelper(t, "stayer", asNobody(nobody), nil, targetVariable+"=IP:127.0.0.1:1")
	line := h.hear()
	if line == "IP:127.0.0.1:1" {
		t.Skip("here every user may listen on port 1")
	}
	if !strings.HasPrefix(line, "error: IP:127.0.0.1:1: ports below") || !strings.Contains(line, "permission denied") {
		t.Errorf("got %q, want the address and the reason", line)
	}
}

// TestRanked holds that IPv4 comes before IPv6, and that the resolver's order stays otherwise.
func TestRanked(t *testing.T) {
	var found []netip.AddrPort
	for _, text := range []string{"::2", "192.0.2.2", "::1", "192.0.2.1"} {
		found = append(found, netip.AddrPortFrom(netip.MustParseAddr(text), 9001))
	}
	var got []string
	for _, ip := range ranked(found) {
		got = append(got, ip.String())
	}
	if want := "192.0.2.2 192.0.2.1 ::2 ::1"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// TestAbsentAddress: a machine without the family or the address is served on the next one.
func TestAbsentAddress(t *testing.T) {
	if err := os.NewSyscallError("socket", unix.EAFNOSUPPORT); !absent(err) {
		t.Errorf("%v: got that it ends the attempts, want the next address tried", err)
	}
	if err := error(ErrInUse); absent(err) {
		t.Errorf("%v: got that the next address is tried, want the end of the attempts", err)
	}
}
