package codec

import (
	"encoding/binary"
	"strconv"
)

const (
	// MaxPayload is the most payload a message carries, in bytes.
	MaxPayload = 32768
	// MaxMessageSize is the size in bytes of the largest message on the wire: 16 full
	// frames that say “more follows”, and an empty last one.
	MaxMessageSize = MaxPayload/MaxFrameData*FrameSize + HeaderSize
)

// Message is one whole, valid message in its wire form.
type Message struct {
	// Wire is the frames as they arrived: a view of the caller's bytes, which is valid
	// as long as they are.
	Wire []byte
	// UID and Op are the same in every frame.
	UID uint32
	Op  Op
	// PayloadLen is the number of data bytes in all frames together, 0 to MaxPayload.
	PayloadLen int
}

// Single reports whether the message is one frame.
func (m *Message) Single() bool { return len(m.Wire) <= FrameSize }

// Payload returns the data of all frames in one piece: a view of Wire when the message
// is a single frame, else scratch[:0] with the data of the frames appended. With
// cap(scratch) >= MaxPayload it never allocates.
func (m *Message) Payload(scratch []byte) []byte {
	if m.Single() {
		return m.Wire[HeaderSize:]
	}
	scratch = scratch[:0]
	for rest := m.Wire; len(rest) > 0; {
		n := min(FrameSize, len(rest))
		scratch = append(scratch, rest[HeaderSize:n]...)
		rest = rest[n:]
	}
	return scratch
}

// SessionID is the ID that a request is about, as far as its first frame has it: a view of Wire. Each ID
// that can be stored is in the first frame as a whole. Of an ADD that is not valid it is what is there.
func (m *Message) SessionID() []byte {
	data := m.Wire[HeaderSize:min(len(m.Wire), FrameSize)]
	if m.Op != OpAdd {
		return data
	}
	if len(data) < AddOverhead {
		return nil
	}
	rest := data[AddOverhead:]
	return rest[:min(uint64(len(rest)), uint64(binary.BigEndian.Uint32(data[4:])))]
}

// SetUID puts uid into every frame of wire, which must be a whole message.
func SetUID(wire []byte, uid uint32) {
	for off := 0; off < len(wire); off += FrameSize {
		binary.BigEndian.PutUint32(wire[off+offUID:], uid)
	}
}

// SetOp makes op the operation of wire, which must be a whole message.
func SetOp(wire []byte, op Op) {
	for off := 0; off < len(wire); off += FrameSize {
		wire[off+offOperation] = byte(op)
	}
}

// MessageSize is the size on the wire, in bytes, of a message that AppendMessage writes
// with payloadLen bytes of payload.
func MessageSize(payloadLen int) int {
	frames := max(1, (payloadLen+MaxFrameData-1)/MaxFrameData)
	return frames*HeaderSize + payloadLen
}

// AppendMessage appends a message with payload (at most MaxPayload bytes) to dst, in as
// many frames as needed.
func AppendMessage(dst []byte, dir Direction, uid uint32, op Op, payload []byte) []byte {
	h := Header{Direction: dir, UID: uid, Op: op, DataLen: MaxFrameData}
	for len(payload) > MaxFrameData {
		dst = AppendHeader(dst, h)
		dst = append(dst, payload[:MaxFrameData]...)
		payload = payload[MaxFrameData:]
	}
	h.Complete, h.DataLen = true, len(payload)
	dst = AppendHeader(dst, h)
	return append(dst, payload...)
}

// AppendStatus appends an answer of one status byte to dst: HeaderSize+1 bytes.
func AppendStatus(dst []byte, uid uint32, op Op, s Status) []byte {
	h := Header{Direction: Response, UID: uid, Op: op, Complete: true, DataLen: 1}
	return append(AppendHeader(dst, h), byte(s))
}

// ParseStatus reads the answer m as one status byte. It returns a *CorruptError
// when the payload has another length.
func ParseStatus(m Message) (Status, error) {
	if m.PayloadLen != 1 || !m.Single() {
		return 0, errNotOneStatus
	}
	return Status(m.Wire[HeaderSize]), nil
}

// Op is the operation of a request and of its answer (PROTOCOL.md, “Frame”, byte 10).
type Op uint8

// The operations of the user class.
const (
	OpAdd    Op = 0
	OpGet    Op = 1
	OpRemove Op = 2
	OpHave   Op = 3
)

// NumOps is the number of operations: tables by operation have this length.
const NumOps = 4

// Valid reports whether o is an operation of the protocol.
func (o Op) Valid() bool { return o < NumOps }

// String returns the protocol's name, in capitals.
func (o Op) String() string {
	switch o {
	case OpAdd:
		return "ADD"
	case OpGet:
		return "GET"
	case OpRemove:
		return "REMOVE"
	case OpHave:
		return "HAVE"
	}
	return "Op(" + strconv.Itoa(int(o)) + ")"
}

// Status is the only payload byte of every answer except a GET's hit (PROTOCOL.md, “Operations”).
type Status uint8

// The status codes. Codes from 100 up answer only an ADD.
const (
	StatusOK           Status = 0
	StatusNotOK        Status = 1
	StatusDisconnected Status = 2

	StatusAddCorrupt Status = 100 // the payload does not parse
	StatusAddExists  Status = 101 // the cache has a session of that ID already
	StatusAddTimeout Status = 102 // the timeout is over MaxTimeout
	StatusAddIDLen   Status = 103 // the id is empty or over MaxIDLen
	StatusAddDataLen Status = 104 // the data is over MaxDataLen
)

// NumStatuses is the number of status codes, and one more for all others: tables by Status.Index
// have this length.
const NumStatuses = 9

// Index is the place of s in tables by status.
func (s Status) Index() int {
	switch {
	case s <= StatusDisconnected:
		return int(s)
	case s >= StatusAddCorrupt && s <= StatusAddDataLen:
		return int(s-StatusAddCorrupt) + int(StatusDisconnected) + 1
	}
	return NumStatuses - 1
}

// StatusAt is the status with that Index; false for that of all others.
func StatusAt(index int) (s Status, ok bool) {
	for s := range 256 {
		if Status(s).Index() == index {
			return Status(s), index < NumStatuses-1
		}
	}
	return 0, false
}

// Outcome is the operation and the status of a whole, valid answer in its wire form. A GET that
// brings a session has StatusOK.
func Outcome(wire []byte) (Op, Status) {
	if len(wire) != HeaderSize+1 {
		return Op(wire[offOperation]), StatusOK
	}
	return Op(wire[offOperation]), Status(wire[HeaderSize])
}

// String returns the name that logs and dc_snoop use.
func (s Status) String() string {
	switch s {
	case StatusOK:
		return "OK"
	case StatusNotOK:
		return "NOTOK"
	case StatusDisconnected:
		return "DISCONNECTED"
	case StatusAddCorrupt:
		return "CORRUPT"
	case StatusAddExists:
		return "EXISTS"
	case StatusAddTimeout:
		return "TIMEOUT_RANGE"
	case StatusAddIDLen:
		return "ID_LENGTH"
	case StatusAddDataLen:
		return "DATA_LENGTH"
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// ProbeMark begins the session ID of a probe: a HAVE with which a program asks whether a service
// answers. Random bytes follow. No session has such an ID, and dc_server does not count probes
// among its operations.
const ProbeMark = "distcache probe\x00"

// ProbeIDLen is the length of a probe's session ID in bytes.
const ProbeIDLen = 32

// IsProbe reports whether a request for this ID is a probe.
func IsProbe(op Op, id []byte) bool {
	return op == OpHave && len(id) == ProbeIDLen && string(id[:len(ProbeMark)]) == ProbeMark
}
