package secure

import "errors"

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
