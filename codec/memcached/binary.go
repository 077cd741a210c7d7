package memcached

import (
	"encoding/binary"

	"distcache/codec"
)

// The opcodes of the binary protocol that are carried out.
const (
	opGet     = 0x00
	opSet     = 0x01
	opAdd     = 0x02
	opDelete  = 0x04
	opQuit    = 0x07
	opGetQ    = 0x09
	opNoop    = 0x0a
	opVersion = 0x0b
	opGetK    = 0x0c
	opGetKQ   = 0x0d
	opSetQ    = 0x11
	opAddQ    = 0x12
	opDeleteQ = 0x14
	opQuitQ   = 0x17
)

// The header of the binary protocol: magic, opcode, length of the key (u16), length of the
// extras, data type, vbucket or status (u16), length of the body (u32), opaque, CAS (u64).
const (
	headerSize  = 24
	offOpcode   = 1
	offKeyLen   = 2
	offExtras   = 4
	offStatus   = 6
	offBody     = 8
	offOpaque   = 12
	storeExtras = 8 // flags and expiry of a store
	hitExtras   = 4 // flags of a hit
)

// ParseBinary reads the first request of b into r. It returns codec.ErrShort when more bytes
// are needed, or ErrMagic.
func ParseBinary(b []byte, r *Request) error {
	*r = Request{}
	if len(b) < headerSize {
		return codec.ErrShort
	}
	if b[0] != Magic {
		return ErrMagic
	}
	r.Head.Binary, r.Head.Opcode = true, b[offOpcode]
	copy(r.Head.Opaque[:], b[offOpaque:])
	keyLen, extras := int(binary.BigEndian.Uint16(b[offKeyLen:])), int(b[offExtras])
	body := int64(binary.BigEndian.Uint32(b[offBody:]))
	wantKey, wantExtras, value := r.shape()
	r.Head.Quiet = r.Head.Opcode == opSetQ || r.Head.Opcode == opAddQ || r.Head.Opcode == opQuitQ
	r.Size = headerSize
	switch {
	case body < int64(keyLen+extras):
		return r.end(Unknown)
	case r.Head.Verb == Refused: // another opcode: the whole body is dropped
		r.Swallow = body
		return r.refuse(Unknown)
	case extras != wantExtras, wantKey && (keyLen == 0 || keyLen > MaxKey), !wantKey && keyLen > 0,
		!value && body > int64(keyLen+extras):
		return r.end(BadLine)
	case body-int64(keyLen+extras) > MaxValue:
		return r.tooLarge(b, keyLen, body)
	}
	r.Size += int(body)
	if len(b) < r.Size {
		return codec.ErrShort
	}
	key := b[headerSize+extras:]
	r.Key = key[:keyLen:keyLen]
	r.Close = r.Head.Verb == Quit
	if value {
		r.Value = key[keyLen : r.Size-headerSize-extras]
		r.Expiry = int64(binary.BigEndian.Uint32(b[headerSize+4:]))
		if binary.BigEndian.Uint32(b[headerSize:]) != 0 {
			return r.refuse(Flags)
		}
	}
	return nil
}

// shape sets the verb of the opcode, and tells what its requests carry.
func (r *Request) shape() (key bool, extras int, value bool) {
	switch r.Head.Opcode {
	case opGet, opGetQ, opGetK, opGetKQ:
		r.Head.Verb = Get
		return true, 0, false
	case opSet, opSetQ:
		r.Head.Verb = Set
		return true, storeExtras, true
	case opAdd, opAddQ:
		r.Head.Verb = Add
		return true, storeExtras, true
	case opDelete, opDeleteQ:
		r.Head.Verb = Delete
		return true, 0, false
	case opNoop:
		r.Head.Verb = Noop
	case opVersion:
		r.Head.Verb = Tell
	case opQuit, opQuitQ:
		r.Head.Verb = Quit
	default:
		r.Head.Verb = Refused
	}
	return false, 0, false
}

// end refuses r, which is the last request: where it ends is not known.
func (r *Request) end(why Refusal) error {
	r.Close = true
	return r.refuse(why)
}

// tooLarge waits for the key alone, and drops the value.
func (r *Request) tooLarge(b []byte, keyLen int, body int64) error {
	r.Size += storeExtras + keyLen
	if len(b) < r.Size {
		return codec.ErrShort
	}
	r.Key = b[headerSize+storeExtras : r.Size : r.Size]
	r.Swallow = body - int64(storeExtras+keyLen)
	return r.refuse(TooLarge)
}
