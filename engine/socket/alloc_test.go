//go:build !race

package socket

import (
	"testing"

	"golang.org/x/sys/unix"
)

// operation is what a short-lived client costs: accept, read, write, with the client's
// side of it by system calls that allocate nothing either.
func operation(t testing.TB, ln int, at unix.Sockaddr, buf []byte) {
	client, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Connect(client, at); err != nil {
		t.Fatal(err)
	}
	fd, err := Accept(ln, false)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Write(client, buf); err != nil {
		t.Fatal(err)
	}
	if n, err := Read(fd, buf); n != len(buf) || err != nil {
		t.Fatalf("got %d, %v, want %d, nil", n, err, len(buf))
	}
	_ = unix.Close(fd)
	_ = unix.Close(client)
}

func TestCallsAllocateNothing(t *testing.T) {
	ln, at := listener(t)
	buf := make([]byte, 64)
	if got := testing.AllocsPerRun(1000, func() { operation(t, ln, at, buf) }); got != 0 {
		t.Errorf("accept, read and write: got %v allocations, want 0", got)
	}
	a, _ := pair(t)
	access := &Access{Users: []uint32{^uint32(0)}, Groups: []uint32{^uint32(0)}}
	if got := testing.AllocsPerRun(1000, func() { _, _, _ = access.Admits(a) }); got != 0 {
		t.Errorf("who the peer is: got %v allocations, want 0", got)
	}
	if got := testing.AllocsPerRun(1000, func() { _, _ = Read(a, buf) }); got != 0 {
		t.Errorf("read that finds nothing: got %v allocations, want 0", got)
	}
	udp, peer := datagrams(t)
	if got := testing.AllocsPerRun(1000, func() {
		_, _ = peer.Write(buf)
		_, from, _ := Receive(udp, buf)
		_ = Send(udp, buf, from)
		_, _ = peer.Read(buf)
	}); got != 0 {
		t.Errorf("a datagram and its answer: got %v allocations, want 0", got)
	}
}

func BenchmarkAcceptReadWrite(b *testing.B) {
	ln, at := listener(b)
	buf := make([]byte, 64)
	b.ReportAllocs()
	for b.Loop() {
		operation(b, ln, at, buf)
	}
}
