package store

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"distcache/codec"
)

// A record is one session in the slab:
//
//	0        4          6        7     8         8+idLen
//	| leaf   | dataLen  | idLen  | 0   | id      | data
//
// The expiry time is in the leaf: while the session that expires soonest has not expired, a
// lookup need not read it.
const (
	recordDataLen = 4
	recordIDLen   = 6
	recordHeader  = 8
)

// maxRecord is the size of the largest record without a trailer, in bytes. Its data length must
// fit 16 bits.
const maxRecord = recordHeader + codec.MaxIDLen + codec.MaxDataLen

const (
	_ = uint16(codec.MaxDataLen)
	_ = uint8(codec.MaxIDLen)
)

// ref is the place of a record in the slab, in units of refUnit bytes.
type ref uint32

const refUnit = 16

// record is the slab's memory from a record's first byte on. It may extend beyond the record's last
// byte.
type record []byte

// recordSize is the size of a record without a trailer, in bytes.
func recordSize(idLen, dataLen int) int { return recordHeader + idLen + dataLen }

// write fills r except its trailer.
func (r record) write(leaf uint32, id, data []byte) {
	r.setLeaf(leaf)
	binary.LittleEndian.PutUint16(r[recordDataLen:], uint16(len(data)))
	r[recordIDLen] = uint8(len(id))
	copy(r[recordHeader:], id)
	copy(r[recordHeader+len(id):], data)
}

func (r record) leaf() uint32        { return binary.LittleEndian.Uint32(r) }
func (r record) setLeaf(leaf uint32) { binary.LittleEndian.PutUint32(r, leaf) }

// lengths returns the lengths of the id and of the data, in bytes.
func (r record) lengths() (idLen, dataLen int) {
	return int(r[recordIDLen]), int(binary.LittleEndian.Uint16(r[recordDataLen:]))
}

func (r record) id() []byte { return r[recordHeader : recordHeader+int(r[recordIDLen])] }

// data has no spare capacity, so an append to it cannot reach the bytes after it.
func (r record) data() []byte {
	idLen, dataLen := r.lengths()
	from := recordHeader + idLen
	return r[from : from+dataLen : from+dataLen]
}

// A record that is kept (Config.Kept) has a trailer, so that another process can tell what it is:
//
//	0                      7          8              size-8      size-3
//	| header               | sum[3]   | id, data     | expiry    | sum[0:3] |
//
// The expiry time is in ms of the kernel's monotonic clock, rounded down. The sum covers
// everything except itself and the leaf, which each process sets for itself.
const (
	recordTrailer = 8
	recordSpare   = 7
	expiryBytes   = 5
	maxExpiry     = 1<<(8*expiryBytes) - 1 // 34 years after the start of the machine
)

// castagnoli is the polynomial for which processors have an instruction.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sign writes the trailer of a record of size bytes, trailer included.
func (r record) sign(size int, expiry time.Duration) {
	var e [8]byte
	binary.LittleEndian.PutUint64(e[:], uint64(min(expiry/time.Millisecond, maxExpiry)))
	copy(r[size-recordTrailer:], e[:expiryBytes])
	var sum [4]byte
	binary.LittleEndian.PutUint32(sum[:], r.sum(size))
	copy(r[size-recordTrailer+expiryBytes:size], sum[:])
	r[recordSpare] = sum[3]
}

// signed reports whether the trailer of a record of size bytes fits the rest of it.
func (r record) signed(size int) bool {
	sum := [4]byte{3: r[recordSpare]}
	copy(sum[:], r[size-recordTrailer+expiryBytes:size])
	return binary.LittleEndian.Uint32(sum[:]) == r.sum(size)
}

func (r record) sum(size int) uint32 {
	sum := crc32.Update(0, castagnoli, r[recordDataLen:recordSpare])
	return crc32.Update(sum, castagnoli, r[recordHeader:size-recordTrailer+expiryBytes])
}

// expiry is the expiry time in the trailer, by the kernel's monotonic clock.
func (r record) expiry(size int) time.Duration {
	var e [8]byte
	copy(e[:expiryBytes], r[size-recordTrailer:])
	return time.Duration(binary.LittleEndian.Uint64(e[:])) * time.Millisecond
}
