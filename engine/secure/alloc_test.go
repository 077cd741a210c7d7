//go:build !race

package secure

import (
	"testing"

	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// requests is what a dc_client writes in a turn with 64 requests of 106 bytes.
const (
	inATurn     = 64
	requestSize = 106
)

// turn writes a batch and reads it until there is no more, as a loop does.
func turn(t testing.TB, write, read func([]byte) (int, error), batch, into []byte) {
	if n, err := write(batch); n != len(batch) || err != nil {
		t.Fatal(n, err)
	}
	got := 0
	for {
		n, err := read(into)
		if got += n; err == unix.EAGAIN && got == len(batch) {
			return
		}
		if err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
	}
}

// TestAllocations: writing allocates nothing, and reading twice a turn, which is crypto/tls's own.
func TestAllocations(t *testing.T) {
	server, client := newSite(t).pair()
	batch, into := pattern(inATurn*requestSize), make([]byte, 64<<10)
	for range 10 { // buffers have their sizes
		turn(t, client.Write, server.Read, batch, into)
	}
	both := testing.AllocsPerRun(200, func() { turn(t, client.Write, server.Read, batch, into) })
	if both > 2 {
		t.Errorf("a turn: got %v allocations, want 2 at most", both)
	}
	write := testing.AllocsPerRun(20, func() {
		if n, err := client.Write(batch[:1000]); n != 1000 || err != nil {
			t.Fatal(n, err)
		}
	})
	if write != 0 {
		t.Errorf("a write: got %v allocations, want 0", write)
	}
}

// BenchmarkTurn writes and reads 64 requests, over TLS and without: the difference is what TLS costs both sides together.
// It is to be 0.2 us an operation at most.
func BenchmarkTurn(b *testing.B) {
	s := newSite(b)
	server, client := s.pair()
	a, z := unixPair(b)
	for _, row := range []struct {
		name        string
		write, read func([]byte) (int, error)
	}{
		{"side=bare", func(p []byte) (int, error) { return socket.Write(a, p) }, func(p []byte) (int, error) { return socket.Read(z, p) }},
		{"side=tls", client.Write, server.Read},
	} {
		b.Run(row.name, func(b *testing.B) {
			batch, into := pattern(inATurn*requestSize), make([]byte, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				turn(b, row.write, row.read, batch, into)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/inATurn, "ns/operation")
		})
	}
}

func unixPair(t testing.TB) (int, int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fds[0]); _ = unix.Close(fds[1]) })
	return fds[0], fds[1]
}

// BenchmarkHandshake is both sides of a handshake, with ECDSA P-256.
func BenchmarkHandshake(b *testing.B) {
	s := newSite(b)
	for b.Loop() {
		session, client, conn := s.accept()
		_ = client
		session.Close()
		_ = conn.Close()
	}
}
