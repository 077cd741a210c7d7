package store

import (
	"encoding/binary"
	"hash/crc32"
	"time"
)

// A record that is kept (Config.Kept) has a trailer, so that another process can tell what it is:
//
//	0                      7          8              size-8      size-3
//	| header of slab.go    | sum[3]   | id, data     | expiry    | sum[0:3] |
//
// The expiry time is in ms of the kernel's monotonic clock, rounded down. The sum covers all but
// itself and the leaf, which each process chooses anew.
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
