package store

import (
	"bytes"
	"encoding/binary"
	"math/bits"
)

const (
	// bucketSlots is the most sessions in a bucket: as many as fit a cache line.
	bucketSlots = 12
	// bucketLoad is the average number of sessions in a bucket of a full store. Then one
	// session in thirty finds its bucket full and goes to the next.
	bucketLoad = 9
	bucketSize = 64
)

// bucket is one cache line of the table.
type bucket struct {
	// tags are 8 bits of each session's hash. They rule out nearly every other session without
	// a read of its record. 0 is a free slot.
	tags [bucketSlots]uint8
	// passed is the number of sessions that found this bucket full on the way from their home
	// bucket. While it is 0, a search ends here.
	passed uint32
	refs   [bucketSlots]ref
}

// table finds the record of an id. It is sized once for the most sessions and never
// rehashed. A session is in its home bucket or, if that was full, in the first bucket after
// it that was not.
type table struct {
	buckets []bucket
}

func newTable(maxSessions int) (table, error) {
	buckets, err := mapSlice[bucket](bucketCount(maxSessions))
	return table{buckets}, err
}

func bucketCount(maxSessions int) int { return (maxSessions + bucketLoad - 1) / bucketLoad }

// home is the bucket where the search for hash h begins.
func (t *table) home(h uint64) int {
	high, _ := bits.Mul64(h, uint64(len(t.buckets)))
	return int(high)
}

func (t *table) after(i int) int {
	if i++; i < len(t.buckets) {
		return i
	}
	return 0
}

// tagOf uses the low bits of the hash; home uses the high ones.
func tagOf(h uint64) uint8 { return max(1, uint8(h)) }

// find returns the record of an id.
func (t *table) find(h uint64, id []byte, s *slab) (ref, bool) {
	tag := tagOf(h)
	i := t.home(h)
	for range t.buckets {
		b := &t.buckets[i]
		for m := b.match(tag); m != 0; m = m.next() {
			if r := b.refs[m.slot()]; bytes.Equal(s.record(r).id(), id) {
				return r, true
			}
		}
		if b.passed == 0 {
			break
		}
		i = t.after(i)
	}
	return 0, false
}

// any reports whether is reports true for one of the records that may have hash h. It is find for
// records that are better not touched.
func (t *table) any(h uint64, is func(r ref) bool) bool {
	tag := tagOf(h)
	i := t.home(h)
	for range t.buckets {
		b := &t.buckets[i]
		for m := b.match(tag); m != 0; m = m.next() {
			if is(b.refs[m.slot()]) {
				return true
			}
		}
		if b.passed == 0 {
			break
		}
		i = t.after(i)
	}
	return false
}

// insert adds a record whose id is not in the table. There is a free slot while the store
// holds no more sessions than the table was made for.
func (t *table) insert(h uint64, r ref) {
	i := t.home(h)
	for {
		b := &t.buckets[i]
		if free := b.match(0); free != 0 {
			slot := free.slot()
			b.tags[slot], b.refs[slot] = tagOf(h), r
			return
		}
		b.passed++
		i = t.after(i)
	}
}

// remove removes a record that is in the table.
func (t *table) remove(h uint64, r ref) {
	i := t.home(h)
	for {
		b := &t.buckets[i]
		if slot, ok := b.holds(tagOf(h), r); ok {
			b.tags[slot], b.refs[slot] = 0, 0
			return
		}
		b.passed--
		i = t.after(i)
	}
}

// replace updates the place of a record that is in the table.
func (t *table) replace(h uint64, from, to ref) {
	for i := t.home(h); ; i = t.after(i) {
		b := &t.buckets[i]
		if slot, ok := b.holds(tagOf(h), from); ok {
			b.refs[slot] = to
			return
		}
	}
}

// holds finds the slot of a record in a bucket.
func (b *bucket) holds(tag uint8, r ref) (slot int, ok bool) {
	for m := b.match(tag); m != 0; m = m.next() {
		if slot := m.slot(); b.refs[slot] == r {
			return slot, true
		}
	}
	return 0, false
}

// slots is a set of a bucket's slots: bit 8i+3 is slot i, bit 8i+7 is slot i+8.
type slots uint64

// slot is one slot of a set that is not empty.
func (s slots) slot() int {
	bit := bits.TrailingZeros64(uint64(s))
	return bit>>3 | bit&4<<1
}

// next is the set without slot.
func (s slots) next() slots { return s & (s - 1) }

// match returns the slots with that tag. It compares eight at a time.
func (b *bucket) match(tag uint8) slots {
	low := equalBytes(binary.LittleEndian.Uint64(b.tags[:8]), tag)
	high := equalBytes(uint64(binary.LittleEndian.Uint32(b.tags[8:])), tag) & 0xffffffff
	return slots(low>>4 | high)
}

// equalBytes sets the top bit of each byte of word that equals b, and no other bit.
func equalBytes(word uint64, b uint8) uint64 {
	const ones, lows = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f
	x := word ^ ones*uint64(b)
	return ^((x&lows + lows) | x | lows)
}
