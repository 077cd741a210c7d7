package secure

import (
	"io"
	"net"
	"os"
	"time"

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
