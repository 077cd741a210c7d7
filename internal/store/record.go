package store

import (
	"encoding/binary"

	"distcache/codec"
)

// A record is one session in the slab:
//
//	0        4          6        7     8         8+idLen
//	| leaf   | dataLen  | idLen  | 0   | id      | data
//
// The expiry time is not here but in the leaf: as long as the soonest session of all
// is alive, a lookup need not ask for it.
const (
	recordDataLen = 4
	recordIDLen   = 6
	recordHeader  = 8
)

// maxRecord is the size of the largest record, in bytes. Its data length must fit 16 bits.
const maxRecord = recordHeader + codec.MaxIDLen + codec.MaxDataLen

const (
	_ = uint16(codec.MaxDataLen)
	_ = uint8(codec.MaxIDLen)
)

// ref says where in the slab a record is, in units of refUnit bytes.
type ref uint32

const refUnit = 16

// record is the slab's memory from a record's first byte on; it may go on after its
// last.
type record []byte

// recordSize is the size of a record in bytes, header included.
func recordSize(idLen, dataLen int) int { return recordHeader + idLen + dataLen }

// write fills r, of recordSize bytes or more.
func (r record) write(leaf uint32, id, data []byte) {
	r.setLeaf(leaf)
	binary.LittleEndian.PutUint16(r[recordDataLen:], uint16(len(data)))
	r[recordIDLen] = uint8(len(id))
	copy(r[recordHeader:], id)
	copy(r[recordHeader+len(id):], data)
}

func (r record) leaf() uint32        { return binary.LittleEndian.Uint32(r) }
func (r record) setLeaf(leaf uint32) { binary.LittleEndian.PutUint32(r, leaf) }

// lengths gives the length of the id and of the data, in bytes.
func (r record) lengths() (idLen, dataLen int) {
	return int(r[recordIDLen]), int(binary.LittleEndian.Uint16(r[recordDataLen:]))
}

func (r record) id() []byte { return r[recordHeader : recordHeader+int(r[recordIDLen])] }

// data is cut so that an append to it cannot reach the bytes after it.
func (r record) data() []byte {
	idLen, dataLen := r.lengths()
	from := recordHeader + idLen
	return r[from : from+dataLen : from+dataLen]
}

func (r record) size() int { return recordSize(r.lengths()) }
