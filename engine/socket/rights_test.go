package socket

import (
	"testing"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// TestBarrierEndsReads: what was written before it may be read with it, what follows not, and
// whoever reads has no descriptor more.
func TestBarrierEndsReads(t *testing.T) {
	a, b := pair(t)
	barrier, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	before := len(kit.OwnDescriptors(t))
	for range 3 {
		mustWrite := func(text string, write func(int, []byte) (int, error)) {
			if n, err := write(b, []byte(text)); n != len(text) || err != nil {
				t.Fatalf("%s: got %d, %v, want %d, nil", text, n, err, len(text))
			}
		}
		mustWrite("before, ", Write)
		mustWrite("with, ", barrier.Write)
		mustWrite("after", Write)
		buf := make([]byte, 100)
		for _, want := range []string{"before, with, ", "after"} {
			if n, err := Read(a, buf); err != nil || string(buf[:n]) != want {
				t.Errorf("got %q, %v, want %q", buf[:max(n, 0)], err, want)
			}
		}
	}
	if got := len(kit.OwnDescriptors(t)); got != before {
		t.Errorf("got %d descriptors, want the %d from before", got, before)
	}
	if err := barrier.Close(); err != nil {
		t.Error(err)
	}
}

// TestBarrierTellsErrors of the socket.
func TestBarrierTellsErrors(t *testing.T) {
	a, b := pair(t)
	barrier, err := NewBarrier()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = barrier.Close() }()
	block := make([]byte, 4096)
	for err == nil {
		_, err = barrier.Write(b, block)
	}
	if err != unix.EAGAIN {
		t.Errorf("a full socket: got %v, want EAGAIN", err)
	}
	hangUp(t, a)
	if n, err := barrier.Write(b, block); n != 0 || err != unix.EPIPE {
		t.Errorf("a peer that left: got %d, %v, want 0, EPIPE", n, err)
	}
}
