package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/engine/socket"
	"distcache/internal/test/kit"
)

// TestH24TheBarrierPassesThrough: a server ends a read before the last frame of an answer. The
// client finds that end too, each time, although all the bytes have come before it reads.
func TestH24TheBarrierPassesThrough(t *testing.T) {
	t.Parallel()
	for _, size := range []int{codec.MaxFrameData + 2022, codec.MaxPayload - codec.MaxFrameData + 2022} {
		answer := kit.Hit(1, strings.Repeat("d", size))
		at := len(answer) - codec.HeaderSize - 2022
		server := serve(t, "unix", func(c half) {
			barrier, err := socket.NewBarrier()
			if err != nil {
				return
			}
			defer barrier.Close()
			for ask := make([]byte, len(kit.Get(1, "id"))); ; {
				if _, err := io.ReadFull(c, ask); err != nil {
					return
				}
				writeParted(c, barrier, answer, at)
			}
		})
		_, front := start(t, server)
		c := kit.Dial(t, front)
		for range 3 {
			c.Send(kit.Get(1, "id"))
			waitUnread(t, c, len(answer))
			b := make([]byte, 2*len(answer))
			if n, err := c.Socket().Read(b); n != at {
				t.Fatalf("got %d bytes, %v, from the first read, want %d of %d", n, err, at, len(answer))
			}
			if n, err := c.Socket().Read(b[at:]); !bytes.Equal(b[:at+n], answer) {
				t.Fatalf("got %d bytes, %v, from the second read, want %d", n, err, len(answer)-at)
			}
		}
	}
}

// TestOneBarrierAtATime: a client that does not read keeps one descriptor in the kernel, and
// gets every byte in the end.
func TestOneBarrierAtATime(t *testing.T) {
	t.Parallel()
	const pieces = 100
	server := serve(t, "unix", func(c half) {
		barrier, err := socket.NewBarrier()
		if err != nil {
			return
		}
		defer barrier.Close()
		for range pieces {
			writeParted(c, barrier, []byte("12345678"), 8)
		}
	})
	p, front := start(t, server)
	c := kit.Dial(t, front)
	waitUnread(t, c, 8*pieces)
	b, ends := make([]byte, 16*pieces), 0
	for got := 0; got < 8*pieces; ends++ {
		n, err := c.Socket().Read(b[got:])
		if got += n; err != nil {
			t.Fatalf("got %d bytes, %v, want %d", got, err, 8*pieces)
		}
	}
	if ends > 2 {
		t.Errorf("got %d reads, want 2: one barrier, and all that follows", ends)
	}
	stop(t, p)
}

// writeParted writes b as the daemons do: no read takes bytes of before and of after its first
// at bytes.
func writeParted(c half, barrier *socket.Barrier, b []byte, at int) {
	_, _ = c.Write(b[:at-8])
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return
	}
	_ = raw.Write(func(fd uintptr) bool {
		_, err := barrier.Write(int(fd), b[at-8:at])
		return err != unix.EAGAIN
	})
	_, _ = c.Write(b[at:])
}

// waitUnread waits until so many bytes are there to read.
func waitUnread(t *testing.T, c *kit.Client, want int) {
	t.Helper()
	raw, err := c.Socket().(*net.UnixConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	kit.Wait(t, patience, "bytes to read", func() bool {
		n := 0
		_ = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
		return n >= want
	})
}
