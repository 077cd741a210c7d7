package codec

import "encoding/binary"

// Version is the high half of proto_level; any other is corrupt.
const Version = 0x0011

// The header's fields, as offsets into it (PROTOCOL.md, “Frame”). All integers are big-endian.
const (
	offVersion   = 0
	offPatch     = 2
	offResponse  = 4
	offUID       = 5
	offClass     = 9
	offOperation = 10
	offComplete  = 11
	offDataLen   = 12

	// HeaderSize is the length of a frame's header in bytes.
	HeaderSize = offDataLen + 2
)

const (
	// MaxFrameData is the most data that one frame carries, in bytes. Every frame of a
	// message but the last carries exactly this much.
	MaxFrameData = 2048
	// FrameSize is the size of a full frame, in bytes: the stride of a message's frames.
	FrameSize = HeaderSize + MaxFrameData
)

// Direction is the kind of frame that a peer may send.
type Direction uint8

// The directions are the values of is_response.
const (
	Request  Direction = 0
	Response Direction = 1
)

// Header is the decoded header of one frame.
type Header struct {
	Patch     uint16 // low half of proto_level; any value is valid, we send 0
	Direction Direction
	UID       uint32 // request_uid, chosen by the side that sends the request
	Op        Op
	Complete  bool // the last frame of its message
	DataLen   int  // bytes of data that follow, 0 to MaxFrameData
}

// ParseHeader decodes the header at the start of b, which must have direction dir. It
// returns ErrShort when b is a valid beginning and shorter than a header, and a
// *CorruptError as soon as one byte is wrong.
func ParseHeader(b []byte, dir Direction) (Header, error) {
	if len(b) < HeaderSize {
		if err := checkPartial(b, dir); err != nil {
			return Header{}, err
		}
		return Header{}, ErrShort
	}
	h := Header{
		Patch:     binary.BigEndian.Uint16(b[offPatch:]),
		Direction: Direction(b[offResponse]),
		UID:       binary.BigEndian.Uint32(b[offUID:]),
		Op:        Op(b[offOperation]),
		Complete:  b[offComplete] == 1,
		DataLen:   int(binary.BigEndian.Uint16(b[offDataLen:])),
	}
	switch {
	case binary.BigEndian.Uint16(b[offVersion:]) != Version:
		return h, errVersion
	case h.Direction != dir:
		return h, wrongDirection(dir)
	case b[offClass] != 0:
		return h, errClass
	case h.Op >= NumOps:
		return h, errOperation
	case b[offComplete] > 1:
		return h, errComplete
	case h.DataLen > MaxFrameData:
		return h, errDataLen
	case !h.Complete && h.DataLen != MaxFrameData:
		return h, errShortFrame
	}
	return h, nil
}

// checkPartial checks the fields that the beginning of a header already holds, so that
// a peer is refused at its first wrong byte.
func checkPartial(b []byte, dir Direction) error {
	n := len(b)
	switch {
	case n > offVersion && b[offVersion] != Version>>8,
		n > offVersion+1 && b[offVersion+1] != Version&0xff:
		return errVersion
	case n > offResponse && b[offResponse] != byte(dir):
		return wrongDirection(dir)
	case n > offClass && b[offClass] != 0:
		return errClass
	case n > offOperation && !Op(b[offOperation]).Valid():
		return errOperation
	case n > offComplete && b[offComplete] > 1:
		return errComplete
	case n > offDataLen && b[offDataLen] > MaxFrameData>>8:
		return errDataLen
	case n > offDataLen && b[offComplete] == 0 && b[offDataLen] != MaxFrameData>>8:
		return errShortFrame
	}
	return nil
}

func wrongDirection(want Direction) error {
	if want == Request {
		return errNotRequest
	}
	return errNotResponse
}

// AppendHeader appends h in its wire form (HeaderSize bytes) to dst. h must be
// valid: a DataLen over MaxFrameData would be cut to 16 bits.
func AppendHeader(dst []byte, h Header) []byte {
	dst = binary.BigEndian.AppendUint16(dst, Version)
	dst = binary.BigEndian.AppendUint16(dst, h.Patch)
	dst = append(dst, byte(h.Direction))
	dst = binary.BigEndian.AppendUint32(dst, h.UID)
	complete := byte(0)
	if h.Complete {
		complete = 1
	}
	dst = append(dst, 0, byte(h.Op), complete)
	return binary.BigEndian.AppendUint16(dst, uint16(h.DataLen))
}
