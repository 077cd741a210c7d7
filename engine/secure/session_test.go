package secure

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"distcache/engine/buffer"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i * i >> 3)
	}
	return b
}

func TestBothWays(t *testing.T) {
	server, client := newSite(t).pair()
	for _, n := range []int{1, 100, maxPlain - 1, maxPlain, maxPlain + 1, 40_000} {
		mustWrite(t, client, pattern(n))
		expect(t, server, pattern(n))
		mustWrite(t, server, pattern(n))
		expect(t, client, pattern(n))
	}
	if server.Peer() != "host1" || client.Peer() != "cache" {
		t.Errorf("got peers %q and %q, want host1 and cache", server.Peer(), client.Peer())
	}
}

// TestTrap01BytesWithTheHandshake: what came with the last message of the handshake is told by no event.
func TestTrap01BytesWithTheHandshake(t *testing.T) {
	s := newSite(t)
	fd, conn := sockets(t)
	sent := make(chan error, 1)
	go func() { // writes as soon as its own side is done, and the server has not seen its last message
		client := tls.Client(conn, s.client)
		_, err := client.Write([]byte("first"))
		sent <- err
	}()
	var h *Handshake
	answered := false // the client may be so fast that h wants nothing any more when turn returns
	h = s.queue().Begin(fd, func() { answered = answered || !h.Silent() && h.Wants() })
	kit.Wait(t, patience, "the server's flight", func() bool {
		s.turn(h)
		return answered
	})
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
	s.turnUntil(h)
	session, err := h.Result()
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	if readable(fd) || !session.Buffered() {
		t.Errorf("got readable %v, Buffered %v, want that only the session has the bytes", readable(fd), session.Buffered())
	}
	if got, err := read(session); string(got) != "first" || err != unix.EAGAIN {
		t.Errorf("got %q, %v, want first, EAGAIN", got, err)
	}
}

// TestTrap02WritesAreBounded: while the socket does not take ciphertext, no more is made, and none is lost.
func TestTrap02WritesAreBounded(t *testing.T) {
	server, client := newSite(t).pair()
	block, written := pattern(50_000), 0
	for {
		n, err := client.Write(block)
		written += n
		if err == unix.EAGAIN {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if most := maxPlain + 100; client.Pending() == 0 || client.Pending() > most {
		t.Errorf("got %d bytes pending, want 1 to %d", client.Pending(), most)
	}
	var got []byte
	kit.Wait(t, patience, "rest", func() bool {
		more, err := read(server)
		if err != unix.EAGAIN {
			t.Fatal(err)
		}
		got = append(got, more...)
		if err := client.Flush(); err != nil && err != unix.EAGAIN {
			t.Fatal(err)
		}
		return len(got) >= written
	})
	if len(got) != written || !bytes.Equal(got[:len(block)], block) {
		t.Errorf("got %d bytes, want the %d that were taken", len(got), written)
	}
	if client.Pending() != 0 || client.Flush() != nil {
		t.Errorf("got %d bytes pending, want none", client.Pending())
	}
}

// TestTrap03RestIsCopied: two sessions share a read buffer. One that paused keeps what it had not decrypted.
func TestTrap03RestIsCopied(t *testing.T) {
	s := newSite(t)
	first, firstClient := s.pair()
	second, secondClient := s.pair()
	data := pattern(32_000)
	mustWrite(t, firstClient, data)
	b := make([]byte, 1000)
	n, err := first.Read(b)
	if n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if len(first.in) == 0 {
		t.Fatal("nothing is left in the shared buffer: this test shows nothing")
	}
	if !first.Buffered() {
		t.Error("got Buffered false, want true: there is more")
	}
	other := pattern(32_001)[1:]
	mustWrite(t, secondClient, other)
	expect(t, second, other)
	expect(t, first, data[n:])
	if first.Buffered() || s.pool.Lent() != 0 {
		t.Errorf("got Buffered %v and %d bytes lent, want false and 0", first.Buffered(), s.pool.Lent())
	}
}

// TestRestHasNoMemory: where the rest cannot be copied, that connection fails and no other.
func TestRestHasNoMemory(t *testing.T) {
	s := newSite(t)
	s.shared.pool = buffer.NewPool(0)
	first, firstClient := s.pair()
	second, secondClient := s.pair()
	mustWrite(t, firstClient, pattern(32_000))
	if n, err := first.Read(make([]byte, 10)); n != 10 || err != nil {
		t.Fatal(n, err)
	}
	mustWrite(t, secondClient, []byte("other"))
	expect(t, second, []byte("other"))
	if _, err := first.Read(make([]byte, 10)); err != buffer.ErrFull {
		t.Errorf("got %v, want ErrFull", err)
	}
}

// TestTrap04OneRecordEach: requests of one write are one record, from the first on.
func TestTrap04OneRecordEach(t *testing.T) {
	server, client := newSite(t).pair()
	mustWrite(t, client, pattern(maxPlain))
	kit.Wait(t, patience, "record", func() bool { return readable(server.fd) })
	header := make([]byte, 5)
	if n, _, err := unix.Recvfrom(server.fd, header, unix.MSG_PEEK); n != 5 || err != nil {
		t.Fatal(n, err)
	}
	if got, want := int(header[3])<<8|int(header[4]), maxPlain+17; got != want {
		t.Errorf("got a record of %d bytes, want %d: records must not begin small", got, want)
	}
}

// TestTrap08HowItEnded tells close_notify from an end that anybody on the way can make.
func TestTrap08HowItEnded(t *testing.T) {
	s := newSite(t)
	for _, row := range []struct {
		name string
		end  func(t *testing.T, client *Session, conn io.Closer)
		want error
	}{
		{"close_notify", func(_ *testing.T, client *Session, _ io.Closer) { client.Close() }, nil},
		{"bare end", func(_ *testing.T, _ *Session, conn io.Closer) { _ = conn.Close() }, ErrTruncated},
		{"within a record", func(t *testing.T, client *Session, conn io.Closer) {
			client.shared.pool = nil // nothing is to be pending
			header := []byte{23, 3, 3, 0, 100, 1, 2, 3}
			if n, err := unix.Write(client.fd, header); n != len(header) || err != nil {
				t.Fatal(n, err)
			}
			_ = conn.Close()
		}, ErrTruncated},
	} {
		t.Run(row.name, func(t *testing.T) {
			server, client := s.pair()
			mustWrite(t, client, []byte("last"))
			expect(t, server, []byte("last"))
			row.end(t, client, closer(func() { _ = unix.Shutdown(client.fd, unix.SHUT_WR) }))
			for range 2 { // and it stays so
				var got []byte
				var err error
				kit.Wait(t, patience, "end", func() bool {
					got, err = read(server)
					return len(got) > 0 || err != unix.EAGAIN
				})
				if len(got) > 0 || err != row.want {
					t.Errorf("got %q, %v, want the end with %v", got, err, row.want)
				}
			}
		})
	}
}

type closer func()

func (c closer) Close() error { c(); return nil }

// TestErrorsOfTheSocket come as they are.
func TestErrorsOfTheSocket(t *testing.T) {
	s := newSite(t)
	server, _, conn := s.accept()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	for range 3 {
		if _, err = server.Write([]byte("x")); err != nil {
			break
		}
	}
	if err != unix.EPIPE {
		t.Errorf("got %v, want EPIPE", err)
	}
}

// TestGarbage: bytes that were changed on the way end the connection.
func TestGarbage(t *testing.T) {
	s := newSite(t)
	server, _, conn := s.accept()
	if _, err := conn.Write([]byte{23, 3, 3, 0, 20, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20}); err != nil {
		t.Fatal(err)
	}
	kit.Wait(t, patience, "record", func() bool { return readable(server.fd) })
	_, err := read(server)
	var errno syscall.Errno
	if err == nil || errors.As(err, &errno) || errors.Is(err, ErrTruncated) {
		t.Errorf("got %v, want an error of TLS", err)
	}
}

var _ net.Error = wouldBlock{}
