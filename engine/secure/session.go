package secure

import (
	"crypto/tls"
	"errors"
	"io"

	"distcache/engine/buffer"
	"distcache/engine/socket"

	"golang.org/x/sys/unix"
)

// maxPlain is how much plaintext becomes ciphertext at a time: one record of the largest size. Ciphertext cannot be taken
// back, so that no more is made while the socket does not take it.
const maxPlain = 16 << 10

// Session is a TLS connection on a loop, once its handshake is over. Its methods are called on the loop goroutine. Read and
// Write are used as socket.Read and socket.Write are. System errors come as they are, all others as sentences.
type Session struct {
	fd     int
	tls    *tls.Conn
	wire   wire
	role   Role
	old    bool // the peer does not offer TLS 1.3
	shared *Shared

	in     []byte // ciphertext that crypto/tls has not taken: in Shared's buffer, in parked, or left by the handshake
	parked []byte // from the pool, or nil
	dry    bool   // crypto/tls has taken all, and wants more
	ended  bool   // the socket has ended
	broken error  // there was no memory for what must be held

	out  []byte // from the pool: ciphertext that the socket has not taken, or nil
	sent int    // bytes of out that are gone
}

// Read decrypts into b, which must not be empty. It returns unix.EAGAIN when all that came is decrypted, 0 and no error
// after the peer's close_notify, and ErrTruncated when the stream ended without one. It reads from the socket only if
// there is nothing else to decrypt, so that a caller that goes on until unix.EAGAIN reads once.
func (s *Session) Read(b []byte) (int, error) {
	if s.broken != nil {
		return 0, s.broken
	}
	if s.dry {
		if err := s.fill(); err != nil {
			return 0, err
		}
	}
	n, err := s.tls.Read(b)
	switch {
	case n > 0:
		return n, nil // an error that came with it is there at the next Read
	case errors.Is(err, wouldBlock{}):
		s.dry, s.in = true, nil
		s.unpark()
		return 0, unix.EAGAIN
	case err == io.EOF && !s.wire.atEnd:
		return 0, nil
	case s.wire.atEnd:
		return 0, ErrTruncated
	}
	return 0, s.explain(err)
}

// fill reads ciphertext from the socket.
func (s *Session) fill() error {
	b := s.shared.buffer(s)
	n, err := socket.Read(s.fd, b)
	if err != nil {
		return err
	}
	s.in, s.ended, s.dry = b[:n], n == 0, false
	return nil
}

// Buffered reports whether Read may have more without an event on the descriptor: it has not returned unix.EAGAIN since
// bytes came.
func (s *Session) Buffered() bool { return !s.dry }

// park copies what is left in Shared's buffer.
func (s *Session) park() {
	if len(s.in) == 0 || s.parked != nil {
		return
	}
	if s.parked = s.shared.pool.Get(len(s.in)); s.parked == nil {
		s.in, s.broken = nil, buffer.ErrFull
		return
	}
	s.parked = append(s.parked, s.in...)
	s.in = s.parked
}

// unpark gives back the memory of park. All of it is taken.
func (s *Session) unpark() {
	s.shared.pool.Put(s.parked)
	s.parked = nil
}

// Write encrypts as much of b as the socket takes, and up to 16 KiB more, which Flush sends later; b must not be empty. It
// returns unix.EAGAIN, and takes nothing, while there is something to flush.
func (s *Session) Write(b []byte) (n int, err error) {
	for n < len(b) {
		if s.Pending() > 0 {
			if n == 0 {
				return 0, unix.EAGAIN
			}
			break
		}
		piece := b[n:min(len(b), n+maxPlain)]
		if _, err := s.tls.Write(piece); err != nil {
			return n, s.explain(err)
		}
		n += len(piece)
	}
	return n, nil
}

// Pending is how many bytes of ciphertext wait for Flush.
func (s *Session) Pending() int { return len(s.out) - s.sent }

// Flush sends ciphertext that the socket has not taken yet. It returns unix.EAGAIN when some is left.
func (s *Session) Flush() error {
	if s.Pending() == 0 {
		return nil
	}
	n, err := socket.Write(s.fd, s.out[s.sent:])
	s.sent += n
	switch {
	case err != nil:
		return err
	case s.Pending() > 0:
		return unix.EAGAIN
	}
	s.shared.pool.Put(s.out)
	s.out, s.sent = nil, 0
	return nil
}

// hold keeps b for Flush.
func (s *Session) hold(b []byte) error {
	if len(b) == 0 {
		return nil
	}
	if s.out == nil {
		s.out = s.shared.pool.Get(len(b))
	} else if len(s.out)+len(b) > cap(s.out) {
		s.out, s.sent = buffer.Cut(s.out, s.sent), 0
		if len(s.out)+len(b) > cap(s.out) {
			if bigger := s.shared.pool.Grow(s.out, len(s.out)+len(b)); bigger != nil {
				s.out = bigger
			}
		}
	}
	if len(s.out)+len(b) > cap(s.out) {
		s.broken = buffer.ErrFull // Read tells it too: crypto/tls hides that it could not answer a key update
		return s.broken
	}
	s.out = append(s.out, b...)
	return nil
}

// Close sends close_notify, if the socket takes it, and gives back the memory. The descriptor stays open.
func (s *Session) Close() {
	if s.wire.handshake == nil && s.Pending() == 0 {
		_ = s.tls.CloseWrite() // the connection ends in any case
	}
	s.unpark()
	s.shared.pool.Put(s.out)
	s.in, s.out, s.sent = nil, nil, 0
	if s.shared.user == s {
		s.shared.user = nil
	}
}

// Check tells why the peer would be refused by VerifyConnection of another configuration; nil: it would not. Signatures and
// dates are not checked again.
func (s *Session) Check(config *tls.Config) error {
	if config.VerifyConnection == nil {
		return nil
	}
	return config.VerifyConnection(s.tls.ConnectionState())
}

// Peer is the name in the peer's certificate, or "" where it has none.
func (s *Session) Peer() string {
	if certificates := s.tls.ConnectionState().PeerCertificates; len(certificates) > 0 {
		return CertificateName(certificates[0])
	}
	return ""
}
