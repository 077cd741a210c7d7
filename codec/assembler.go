package codec

import (
	"bytes"
	"encoding/binary"
)

// Assembler finds the messages in one direction of one connection. It holds no
// bytes: the caller keeps the bytes of an unfinished message together, and passes
// them again with more, from the message's first byte on. The Assembler checks each
// whole frame once, so a slow peer costs no more than a fast one.
//
// The zero Assembler reads requests.
type Assembler struct {
	dir     Direction
	op      Op
	uid     uint32
	scanned int // bytes of whole frames of the current message
	payload int // bytes of data in those frames
}

// NewAssembler returns an Assembler for what a peer sends in direction dir.
func NewAssembler(dir Direction) Assembler { return Assembler{dir: dir} }

// Next returns the message at the start of b. It returns ErrShort when b holds only
// the beginning of a message, and a *CorruptError when b cannot become one; the
// Assembler must not be used after that. After a message, the caller passes the
// bytes that follow it (b[len(m.Wire):]).
func (a *Assembler) Next(b []byte) (Message, error) {
	for {
		h, err := ParseHeader(b[a.scanned:], a.dir)
		if err == ErrShort {
			return Message{}, a.joinPartial(b[a.scanned:])
		}
		if err != nil {
			return Message{}, err
		}
		switch {
		case a.scanned == 0:
			a.uid, a.op = h.UID, h.Op
		case h.UID != a.uid:
			return Message{}, errUIDChanged
		case h.Op != a.op:
			return Message{}, errOpChanged
		}
		if a.payload+h.DataLen > MaxPayload {
			return Message{}, errPayload
		}
		end := a.scanned + HeaderSize + h.DataLen
		if len(b) < end {
			return Message{}, ErrShort
		}
		a.scanned = end
		a.payload += h.DataLen
		if h.Complete {
			m := Message{Wire: b[:end:end], UID: a.uid, Op: a.op, PayloadLen: a.payload}
			a.scanned, a.payload = 0, 0
			return m, nil
		}
	}
}

// joinPartial checks the beginning of a header, valid by itself, as the next frame of
// the current message. It returns ErrShort when the frame may still belong to it.
func (a *Assembler) joinPartial(b []byte) error {
	n := len(b)
	if a.scanned == 0 || n <= offUID {
		return ErrShort
	}
	var uid [4]byte
	binary.BigEndian.PutUint32(uid[:], a.uid)
	seen := b[offUID:min(n, offClass)]
	switch {
	case !bytes.Equal(seen, uid[:len(seen)]):
		return errUIDChanged
	case n > offOperation && Op(b[offOperation]) != a.op:
		return errOpChanged
	case a.payload == MaxPayload && n > offComplete && b[offComplete] == 0,
		a.payload == MaxPayload && n > offDataLen && b[offDataLen] != 0:
		return errPayload
	}
	return ErrShort
}
