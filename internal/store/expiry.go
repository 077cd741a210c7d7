package store

import (
	"time"
	"unsafe"

	"distcache/engine/deadline"
)

// fanout is how many entries of a level compete for one of the level above: six cache
// lines side by side. With less the levels above take more memory.
const fanout = 32

// contender is a session in the tournament: twelve bytes, which is why its key is in two halves.
type contender struct {
	low, high uint32 // of the key
	// index is, in a leaf, the ref of the record; in a free leaf, the next free leaf; in a
	// level above, the winning leaf.
	index uint32
}

// tick is the unit of expiry times, 66 us: how much longer than asked a session may live.
const tick = 1 << turnBits * time.Nanosecond

// turnBits is how many bits of a key are the turn.
const turnBits = 16

// key orders contenders: the higher bits are lastTick minus the expiry time in ticks, so what expires
// sooner has more there. They are 0 where there is no session, so memory that was never touched
// needs no filling at the start. The lower bits are the turn: those of the number of sessions added
// before. It wraps: of two that expire in one tick, 2^15 ADDs apart, the younger may go first.
type key uint64

// lastTick is deadline.Never in ticks.
const lastTick = uint64(deadline.Never / tick)

// keyOf is the key of a session that expires at expiresAt, rounded up to a tick, 0 to Never-1.
func keyOf(expiresAt time.Duration, turn uint16) key {
	ticks := min((uint64(expiresAt)+uint64(tick)-1)/uint64(tick), lastTick-1)
	return key((lastTick-ticks)<<turnBits | uint64(turn))
}

// none reports whether there is no session.
func (k key) none() bool { return k>>turnBits == 0 }

func (k key) deadline() time.Duration {
	if k.none() {
		return deadline.Never
	}
	return time.Duration(lastTick-uint64(k>>turnBits)) * tick
}

// before reports whether k expires before l; among equals the older does.
func (k key) before(l key) bool {
	if (k^l)>>turnBits != 0 {
		return k > l
	}
	return !k.none() && int16(k-l) < 0
}

func (c *contender) key() key { return key(c.high)<<32 | key(c.low) }

func (c *contender) setKey(k key) { c.low, c.high = uint32(k), uint32(k>>32) }

// before reports whether c expires before d.
func (c *contender) before(d *contender) bool { return c.key().before(d.key()) }

// expiry is a tournament tree of the sessions' expiry times. It knows the soonest.
//
//	levels[last]     [ the winner of all ]
//	…                 32 entries compete for one
//	levels[1]        [ winner of leaves 0–31 | winner of leaves 32–63 | … ]
//	levels[0]        [ leaf 0 | leaf 1 | … ]              one for each session
//
// A session stays in one leaf. Unlike in a heap, nothing moves, and the way up from a leaf
// is known in advance, so the processor can fetch all of it at once. Adding a session goes
// up only as far as the session wins, which is mostly not at all; removing one goes up as
// far as it had won.
type expiry struct {
	levels [][]contender
	memory []contender // of all levels
	used   int         // leaves that were ever used
	free   uint32      // the first free leaf below used, counted from 1; 0: none
	turn   uint16      // of the next session
}

func newExpiry(maxSessions int) (expiry, error) {
	memory, err := mapSlice[contender](contenderCount(maxSessions))
	if err != nil {
		return expiry{}, err
	}
	e := expiry{memory: memory}
	for n := maxSessions; ; n = (n + fanout - 1) / fanout {
		size := roundUp(n, fanout)
		e.levels = append(e.levels, memory[:size:size])
		memory = memory[size:]
		if n == 1 && len(e.levels) > 1 {
			return e, nil
		}
	}
}

// contenderCount is the length of all levels together.
func contenderCount(maxSessions int) int {
	total := 0
	for n, level := maxSessions, 0; ; n, level = (n+fanout-1)/fanout, level+1 {
		total += roundUp(n, fanout)
		if n == 1 && level > 0 {
			return total
		}
	}
}

// winner is the session that expires soonest; its key is none if there is no session.
func (e *expiry) winner() *contender { return &e.levels[len(e.levels)-1][0] }

// soonest is the earliest expiry time, or Never.
func (e *expiry) soonest() time.Duration { return e.winner().key().deadline() }

// deadline is the expiry time of the session in a leaf.
func (e *expiry) deadline(leaf uint32) time.Duration { return e.levels[0][leaf].key().deadline() }

// ref is where the record of the session in a leaf is.
func (e *expiry) ref(leaf uint32) ref { return ref(e.levels[0][leaf].index) }

func (e *expiry) setRef(leaf uint32, r ref) { e.levels[0][leaf].index = uint32(r) }

// insert adds a session that expires at expiresAt, 0 to Never-1, and returns its leaf.
func (e *expiry) insert(expiresAt time.Duration, r ref) uint32 {
	leaf := e.take()
	c := contender{index: uint32(r)}
	c.setKey(keyOf(expiresAt, e.turn))
	e.turn++
	e.levels[0][leaf] = c
	c.index = leaf
	at := leaf
	for _, level := range e.levels[1:] {
		at /= fanout
		if !c.before(&level[at]) {
			break
		}
		level[at] = c
	}
	return leaf
}

// remove removes the session in a leaf from the tournament.
func (e *expiry) remove(leaf uint32) {
	e.levels[0][leaf] = contender{index: e.free}
	e.free = leaf + 1
	at := leaf
	for i, level := range e.levels[1:] {
		at /= fanout
		if level[at].index != leaf {
			return
		}
		level[at] = e.contest(i, at)
	}
}

// contest is the winner of the entries of a level that compete for entry at of the level
// above.
func (e *expiry) contest(level int, at uint32) contender {
	group := e.levels[level][at*fanout:][:fanout]
	best := 0
	for i := 1; i < fanout; i++ {
		if group[i].before(&group[best]) {
			best = i
		}
	}
	c := group[best]
	if level == 0 {
		c.index = at*fanout + uint32(best)
	}
	return c
}

// take returns a free leaf: the one that was freed last, because it is the likeliest to be
// in the processor's cache.
func (e *expiry) take() uint32 {
	if e.free == 0 {
		e.used++
		return uint32(e.used - 1)
	}
	leaf := e.free - 1
	e.free = e.levels[0][leaf].index
	return leaf
}

// resident is the memory that sessions have touched, in bytes.
func (e *expiry) resident() int64 {
	total, n := 0, e.used
	for range e.levels {
		total += n * int(unsafe.Sizeof(contender{}))
		n = (n + fanout - 1) / fanout
	}
	return int64(roundUp(total, kernelPage))
}
