package plan

import (
	"encoding/binary"
	"math/rand/v2"
	"time"

	"distcache/codec"
)

// Plan is what a Config determines before the run and all clients share.
type Plan struct {
	Seed, Salt uint64
	Fresh      bool
	bounds     [codec.NumOps]uint32 // of Mix
	weights    uint32               // their sum
	sessions   uint32               // of one client
	lanes      uint32               // Pipeline
	preload    uint64               // how many operations of each client are ADDs of one session after the other
	idMin      uint32
	idSpan     uint32 // how many lengths there are
	sizeMin    uint32
	sizeSpan   uint32
	lifeMin    uint32 // milliseconds
	lifeSpan   uint32
	block      []byte
}

// New returns the plan that a valid Config determines.
func New(c *Config) *Plan {
	p := &Plan{
		Seed: c.Seed, Salt: c.Salt, Fresh: c.Mix.Fresh,
		bounds: c.Mix.bounds(), weights: uint32(c.Mix.total()),
		sessions: uint32(c.Sessions), lanes: uint32(c.Pipeline),
		idMin: uint32(c.IDMin), idSpan: uint32(c.IDMax-c.IDMin) + 1,
		sizeMin: uint32(c.DataMin), sizeSpan: uint32(c.DataMax-c.DataMin) + 1,
		lifeMin:  uint32((c.Timeout - c.TimeVar).Milliseconds()),
		lifeSpan: uint32(2*c.TimeVar.Milliseconds()) + 1,
		block:    make([]byte, blockSize),
	}
	if c.Preload {
		p.preload = uint64(c.Sessions)
	}
	var key [32]byte
	for i := range 4 {
		binary.BigEndian.PutUint64(key[i*8:], mix64(c.Seed+uint64(i)))
	}
	_, _ = rand.NewChaCha8(key).Read(p.block)
	return p
}

// bounded maps 32 random bits to 0..n-1; the bias is n in 2^32.
func bounded(random, n uint32) uint32 { return uint32(uint64(random) * uint64(n) >> 32) }

// mix64 spreads every bit of x over all of the result (the finalizer of SplitMix64).
func mix64(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Operation is one step of a client's stream: what it does, on which of its sessions. What ADD alone needs is drawn for
// every operation, so that it is the same whatever happened before.
type Operation struct {
	Index  uint64 // counts the client's operations from 0
	Op     codec.Op
	Slot   uint32
	UID    uint32
	cut    uint32
	size   uint32
	millis uint32
}

// Stream is the sequence of one client's operations.
type Stream struct {
	words  rand.PCG
	client uint32
	index  uint64
}

// NewStream returns the operations of the client of that number.
func (p *Plan) NewStream(client uint32) Stream {
	s := Stream{client: client}
	s.words.Seed(mix64(p.Seed), mix64(uint64(client)+1))
	return s
}

// Next returns the next operation. Operations that can be unanswered at the same time are of different lanes, and a
// session belongs to one lane: so no session is in two unanswered requests.
func (p *Plan) Next(s *Stream) Operation {
	first, second, third := s.words.Uint64(), s.words.Uint64(), s.words.Uint64()
	o := Operation{
		Index:  s.index,
		UID:    uint32(second),
		cut:    bounded(uint32(second>>32), blockCuts),
		size:   p.sizeMin + bounded(uint32(third), p.sizeSpan),
		millis: p.lifeMin + bounded(uint32(third>>32), p.lifeSpan),
	}
	s.index++
	if o.Index < p.preload {
		o.Op, o.Slot = codec.OpAdd, uint32(o.Index)
		return o
	}
	o.Op = p.pick(bounded(uint32(first), p.weights))
	lane := uint32(o.Index % uint64(p.lanes))
	inLane := (p.sessions - lane + p.lanes - 1) / p.lanes
	o.Slot = lane + p.lanes*bounded(uint32(first>>32), inLane)
	return o
}

func (p *Plan) pick(number uint32) codec.Op {
	op := codec.OpAdd
	for number >= p.bounds[op] {
		op++
	}
	return op
}

// IsAdd reports whether it is an ADD.
func (o *Operation) IsAdd() bool { return o.Op == codec.OpAdd }

func (o *Operation) life() time.Duration { return time.Duration(o.millis) * time.Millisecond }

// sessionName is what a session's ID and the tag of its data follow from.
type sessionName struct {
	client, slot uint32
	generation   uint32 // counts the IDs that the slot has had
}

// AppendID appends the session's ID. Its length follows from the seed, its bytes from the salt as well.
func (p *Plan) AppendID(dst []byte, n sessionName) []byte {
	where := uint64(n.client)<<32 | uint64(n.slot)
	key := mix64(p.Seed ^ mix64(where) + uint64(n.generation))
	length := int(p.idMin + bounded(uint32(key), p.idSpan))
	var words rand.PCG
	words.Seed(key^mix64(p.Salt), where^uint64(n.generation)<<48)
	var id [codec.MaxIDLen]byte
	for at := 0; at < length; at += 8 {
		binary.BigEndian.PutUint64(id[at:], words.Uint64())
	}
	return append(dst, id[:length]...)
}

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
func (p *Plan) tag(client uint32, index uint64) uint64 {
	return mix64(p.Seed + mix64(uint64(client)<<40^index))
}

// appendContent appends the session's data.
func (p *Plan) appendContent(dst []byte, c content) []byte {
	var tag [tagSize]byte
	binary.BigEndian.PutUint64(tag[:], c.tag)
	start := len(dst)
	dst = append(dst, p.block[c.cut:c.cut+c.size]...)
	copy(dst[start:], tag[:])
	return dst
}

// isContent reports whether b is the session's data.
func (p *Plan) isContent(b []byte, c content) bool {
	if len(b) != int(c.size) {
		return false
	}
	head := min(len(b), tagSize)
	var tag [tagSize]byte
	binary.BigEndian.PutUint64(tag[:], c.tag)
	return string(b[:head]) == string(tag[:head]) && string(b[head:]) == string(p.block[int(c.cut)+head:c.cut+c.size])
}
