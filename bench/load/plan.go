package load

import (
	"encoding/binary"
	"math/rand/v2"

	"distcache/codec"
)

// plan is what a Config determines before the run and all clients share.
type plan struct {
	seed, salt uint64
	fresh      bool
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

func newPlan(c *Config) *plan {
	p := &plan{
		seed: c.Seed, salt: c.Salt, fresh: c.Mix.Fresh,
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
