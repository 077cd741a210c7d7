package codec

import (
	"encoding/binary"
	"time"
)

// The limits of an ADD (PROTOCOL.md, “Operations”).
const (
	// MaxTimeout is the longest life of a session.
	MaxTimeout = 7 * 24 * time.Hour
	// MaxIDLen is the longest session ID, in bytes.
	MaxIDLen = 64
	// MaxDataLen is the longest session, in bytes. No ADD reaches it, because its message
	// also carries AddOverhead and the id.
	MaxDataLen = 32768
	// AddOverhead is the length of the timeout and id_len fields before the id, in bytes.
	AddOverhead = 8
)

const maxTimeoutMillis = uint32(MaxTimeout / time.Millisecond)

// Add is the decoded payload of an ADD. ID and Data are views of the payload.
type Add struct {
	Timeout time.Duration // whole milliseconds, 0 to MaxTimeout
	ID      []byte        // 1 to MaxIDLen bytes
	Data    []byte        // 1 to MaxDataLen bytes
}

// ParseAdd decodes the payload of an ADD. The status is StatusOK, or the code that
// dc_server answers. PROTOCOL.md gives the checks and their order.
func ParseAdd(payload []byte) (Add, Status) {
	if len(payload) < AddOverhead {
		return Add{}, StatusAddCorrupt
	}
	timeout := binary.BigEndian.Uint32(payload)
	idLen := binary.BigEndian.Uint32(payload[4:])
	rest := payload[AddOverhead:]
	switch {
	case timeout > maxTimeoutMillis:
		return Add{}, StatusAddTimeout
	case uint64(idLen) >= uint64(len(rest)):
		return Add{}, StatusAddCorrupt
	case idLen == 0 || idLen > MaxIDLen:
		return Add{}, StatusAddIDLen
	case len(rest)-int(idLen) > MaxDataLen:
		return Add{}, StatusAddDataLen
	}
	return Add{
		Timeout: time.Duration(timeout) * time.Millisecond,
		ID:      rest[:idLen:idLen],
		Data:    rest[idLen:],
	}, StatusOK
}

// AppendAdd appends the payload of an ADD to dst: AddOverhead+len(a.ID)+len(a.Data)
// bytes. The timeout is cut to whole milliseconds; nothing is checked.
func AppendAdd(dst []byte, a Add) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(a.Timeout/time.Millisecond))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(a.ID)))
	dst = append(dst, a.ID...)
	return append(dst, a.Data...)
}

// RaiseTimeout raises the timeout of the ADD request in wire to floor (whole
// milliseconds, at most MaxTimeout), in place, when it is shorter. wire is a whole
// message; a message with less than AddOverhead bytes of payload stays as it is.
func RaiseTimeout(wire []byte, floor time.Duration) {
	if len(wire) < HeaderSize+AddOverhead {
		return
	}
	field := wire[HeaderSize:]
	if millis := uint32(floor / time.Millisecond); binary.BigEndian.Uint32(field) < millis {
		binary.BigEndian.PutUint32(field, millis)
	}
}

// AddTimeout is the timeout of the ADD request in wire, a whole message; 0 where it has less than
// AddOverhead bytes of payload.
func AddTimeout(wire []byte) time.Duration {
	if len(wire) < HeaderSize+AddOverhead {
		return 0
	}
	return time.Duration(binary.BigEndian.Uint32(wire[HeaderSize:])) * time.Millisecond
}

// ValidID reports whether id has a valid length: 1 to MaxIDLen bytes.
func ValidID(id []byte) bool { return len(id) > 0 && len(id) <= MaxIDLen }
