package secure

import (
	"io"
	"net"
	"testing"

	"distcache/engine/socket"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// FuzzHandshake: no bytes of a client make a handshake panic, succeed, or hang once the client has gone. Those that begin as
// a ClientHello come in two pieces.
func FuzzHandshake(f *testing.F) {
	s := newSite(f)
	hello := make([]byte, 8<<10)
	ours, theirs := net.Pipe()
	go func() { _, _ = Client(f.Context(), theirs, s.client); _ = theirs.Close() }()
	n, err := ours.Read(hello)
	_ = ours.Close()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range [][]byte{nil, hello[:n], hello[:n/2], []byte("GET / HTTP/1.1\r\n\r\n"), {22, 3, 1, 0, 4, 1, 0, 0, 0}, {21, 3, 3, 0, 2, 2, 40}} {
		f.Add(seed, uint16(len(seed)/2))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16) {
		if len(b) > 64<<10 {
			return
		}
		s := &site{t: t, server: s.server, posted: make(chan func(), 1<<10), shared: s.shared}
		fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fds[0])
		h := s.queue().Begin(fds[0], nothing)
		cut := min(int(at), len(b))
		for _, piece := range [][]byte{b[:cut], b[cut:]} {
			if len(piece) > 0 {
				_, _ = socket.Write(fds[1], piece)
				s.turn(h)
			}
		}
		_ = unix.Close(fds[1])
		done := kit.Within(patience, func() bool {
			s.turn(h)
			_, err := h.Result()
			return err != nil
		})
		if session, err := h.Result(); !done || session != nil || err == io.EOF {
			t.Errorf("got %v, %v, want an error with a reason", session, err)
		}
		h.Abandon()
	})
}
