package socket

import (
	"net"
	"testing"
)

// TestPeerAddress is what the other side has as its own address.
func TestPeerAddress(t *testing.T) {
	for _, at := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", at)
		if err != nil {
			t.Logf("%s: %v", at, err)
			continue
		}
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		accepted, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, err := accepted.(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		_ = raw.Control(func(fd uintptr) {
			if got, want := PeerAddress(int(fd)), conn.LocalAddr().String(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
		_, _, _ = conn.Close(), accepted.Close(), l.Close()
	}
	a, _ := pair(t)
	if got := PeerAddress(a); got != "" {
		t.Errorf("a unix socket: got %q, want nothing", got)
	}
	if got := PeerAddress(-1); got != "" {
		t.Errorf("no socket: got %q, want nothing", got)
	}
}
