package load

import (
	"encoding/binary"
	"math/rand/v2"

	"distcache/codec"
)

// sessionName is what a session's ID and the tag of its data follow from.
type sessionName struct {
	client, slot uint32
	generation   uint32 // counts the IDs that the slot has had
}

// appendID appends the session's ID. Its length follows from the seed, its bytes from the salt as well.
func (p *plan) appendID(dst []byte, n sessionName) []byte {
	where := uint64(n.client)<<32 | uint64(n.slot)
	key := mix64(p.seed ^ mix64(where) + uint64(n.generation))
	length := int(p.idMin + bounded(uint32(key), p.idSpan))
	var words rand.PCG
	words.Seed(key^mix64(p.salt), where^uint64(n.generation)<<48)
	var id [codec.MaxIDLen]byte
	for at := 0; at < length; at += 8 {
		binary.BigEndian.PutUint64(id[at:], words.Uint64())
	}
	return append(dst, id[:length]...)
}
