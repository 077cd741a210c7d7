package socket

import (
	"net"
	"net/netip"
	"testing"

	"golang.org/x/sys/unix"
)

// datagrams gives a UDP socket of ours, and a peer of it.
func datagrams(t testing.TB) (fd int, peer *net.UDPConn) {
	t.Helper()
	fd, at, err := ListenDatagrams(netip.MustParseAddrPort("127.0.0.1:0"), 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	peer, err = net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(at))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = peer.Close() })
	return fd, peer
}

func TestDatagrams(t *testing.T) {
	fd, peer := datagrams(t)
	buf := make([]byte, 8)
	if _, _, err := Receive(fd, buf); err != unix.EAGAIN {
		t.Fatalf("got error %v, want %v", err, unix.EAGAIN)
	}
	for _, row := range []struct{ sent, want string }{{"abc", "abc"}, {"", ""}, {"123456789", "12345678"}} {
		if _, err := peer.Write([]byte(row.sent)); err != nil {
			t.Fatal(err)
		}
		n, from, err := Receive(fd, buf) // over loopback it is there at once
		if err != nil || string(buf[:n]) != row.want || from.String() != peer.LocalAddr().String() {
			t.Errorf("got %q from %v and error %v, want %q from %v", buf[:n], from, err, row.want, peer.LocalAddr())
		}
		if err := Send(fd, []byte("answer"), from); err != nil {
			t.Fatal(err)
		}
		if n, err := peer.Read(buf); err != nil || string(buf[:n]) != "answer" {
			t.Errorf("got %q and error %v, want the answer", buf[:n], err)
		}
	}
}

func TestListenDatagramsInUse(t *testing.T) {
	fd, _ := datagrams(t)
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(name.(*unix.SockaddrInet4).Port)
	at := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port)
	if _, _, err := ListenDatagrams(at, 1<<16); err == nil || err.Error() != "bind: address already in use" {
		t.Errorf("got error %v, want that it is in use", err)
	}
}

func TestSendNobodyListens(t *testing.T) {
	fd, peer := datagrams(t)
	if _, err := peer.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	_, from, err := Receive(fd, make([]byte, 8))
	if err != nil {
		t.Fatal(err)
	}
	_ = peer.Close()
	for range 3 { // the kernel hears that the port is closed, and tells nobody
		if err := Send(fd, []byte("late"), from); err != nil {
			t.Errorf("got error %v, want none", err)
		}
	}
	if _, _, err := Receive(fd, make([]byte, 8)); err != unix.EAGAIN {
		t.Errorf("got error %v, want %v", err, unix.EAGAIN)
	}
}
