package secure

import (
	"errors"
	"io"
	"net"
	"os"
	"time"

	"distcache/engine/buffer"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// wire is the net.Conn below crypto/tls. During the handshake it is something that blocks, and afterwards the memory and
// the descriptor of the Session.
type wire struct {
	session   *Session
	handshake io.ReadWriter // nil: the handshake is over
	atEnd     bool          // crypto/tls was told that the stream has ended
}

// Read gives ciphertext. It returns wouldBlock when there is none.
func (w *wire) Read(b []byte) (int, error) {
	if w.handshake != nil {
		return w.handshake.Read(b)
	}
	s := w.session
	switch {
	case len(s.in) > 0:
		n := copy(b, s.in)
		s.in = s.in[n:]
		return n, nil
	case s.ended:
		w.atEnd = true
		return 0, io.EOF
	}
	return 0, wouldBlock{}
}

// Write takes all of b: crypto/tls does not get over an error. What the socket does not take is held.
func (w *wire) Write(b []byte) (int, error) {
	if w.handshake != nil {
		return w.handshake.Write(b)
	}
	if err := w.session.send(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

// Close ends a handshake whose context ended. The descriptor of a Session belongs to its owner.
func (w *wire) Close() error {
	if c, ok := w.handshake.(io.Closer); ok {
		return c.Close()
	}
	return nil
}

// LocalAddr is of no use to crypto/tls.
func (w *wire) LocalAddr() net.Addr { return noAddr{} }

// RemoteAddr is of no use to crypto/tls.
func (w *wire) RemoteAddr() net.Addr { return noAddr{} }

// SetDeadline does nothing: who calls the handshake bounds its time, and nothing else waits.
func (w *wire) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (w *wire) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// noAddr is an address that is not known.
type noAddr struct{}

func (noAddr) Network() string { return "" }
func (noAddr) String() string  { return "" }

// send writes b to the socket, and holds what that does not take. The error is buffer.ErrFull when too much is held for
// a peer that does not read, else that of the socket.
func (s *Session) send(b []byte) error {
	if s.Pending() == 0 {
		n, err := socket.Write(s.fd, b)
		if err != nil && err != unix.EAGAIN {
			return err
		}
		b = b[n:]
	}
	return s.hold(b)
}

var _ net.Conn = (*wire)(nil)

// isTimeout reports whether err is that of a deadline.
func isTimeout(err error) bool { return os.IsTimeout(err) }

// readSize is how much ciphertext is read from a socket at a time: two records of the largest size.
const readSize = 33 << 10

// Shared is what the Sessions of one loop have in common: the buffer into which ciphertext is read. A Session that has
// not taken all of it when the next one reads gets a copy of its rest.
type Shared struct {
	read []byte
	user *Session     // may have a rest in read
	pool *buffer.Pool // for that copy, and for ciphertext that sockets do not take
}

// NewShared returns the Shared of a loop. pool bounds the ciphertext that is held for all its Sessions.
func NewShared(pool *buffer.Pool) *Shared {
	return &Shared{read: make([]byte, readSize), pool: pool}
}

// buffer gives the read buffer to s.
func (sh *Shared) buffer(s *Session) []byte {
	if sh.user != nil && sh.user != s {
		sh.user.park()
	}
	sh.user = s
	return sh.read
}

// ClientMemory is the most that an idle Session takes once it has read a record of the largest size, in bytes. A handshake
// under way takes no more.
const ClientMemory = 64 << 10

var (
	// ErrTruncated is returned by Session.Read when the stream ended without the peer's close_notify.
	ErrTruncated = errors.New("the peer ended the connection without a TLS close_notify")
	// ErrAbandoned is the result of a handshake whose client was closed meanwhile.
	ErrAbandoned = errors.New("the TLS handshake was abandoned")
)

// wouldBlock is what crypto/tls gets from the connection when no ciphertext is there. It keeps every other error for
// ever; after one that is temporary, the next Read goes on where this one stopped, even within a record.
type wouldBlock struct{}

func (wouldBlock) Error() string   { return "no ciphertext is there yet" }
func (wouldBlock) Timeout() bool   { return true }
func (wouldBlock) Temporary() bool { return true }
