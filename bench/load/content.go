package load

import "encoding/binary"

// The data of all sessions are cuts of one random block, which is small enough to stay in the processor's cache. Their
// first bytes are a tag of their own (see tag).
const (
	blockCuts = 1 << 16
	blockSize = blockCuts + MaxData
	tagSize   = 8
)

// content is the data of one session, as what it follows from.
type content struct {
	tag  uint64
	cut  uint32 // where in the block
	size uint32 // bytes, MinData to MaxData
}

// tag makes data unlike that of any other ADD, also where two cuts of the block are the same.
func (p *plan) tag(client uint32, index uint64) uint64 {
	return mix64(p.seed + mix64(uint64(client)<<40^index))
}

// appendContent appends the session's data.
func (p *plan) appendContent(dst []byte, c content) []byte {
	var tag [tagSize]byte
	binary.BigEndian.PutUint64(tag[:], c.tag)
	start := len(dst)
	dst = append(dst, p.block[c.cut:c.cut+c.size]...)
	copy(dst[start:], tag[:])
	return dst
}

// isContent reports whether b is the session's data.
func (p *plan) isContent(b []byte, c content) bool {
	if len(b) != int(c.size) {
		return false
	}
	head := min(len(b), tagSize)
	var tag [tagSize]byte
	binary.BigEndian.PutUint64(tag[:], c.tag)
	return string(b[:head]) == string(tag[:head]) && string(b[head:]) == string(p.block[int(c.cut)+head:c.cut+c.size])
}
