package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/bits"
	"testing"
	"unsafe"

	"distcache/engine/deadline"
	"distcache/internal/test/kit"
)

func TestABucketIsACacheLine(t *testing.T) {
	if got := unsafe.Sizeof(bucket{}); got != bucketSize {
		t.Errorf("size of a bucket: got %d, want %d", got, bucketSize)
	}
}

func TestMatchFindsExactlyTheSlotsWithTheTag(t *testing.T) {
	for _, test := range []struct {
		name string
		tags string
		tag  uint8
		want []int
	}{
		{"empty bucket, free slots", "", 0, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}},
		{"empty bucket, a tag", "", 1, nil},
		{"first", "\x07", 7, []int{0}},
		{"last of the low word", "\x01\x01\x01\x01\x01\x01\x01\xff", 0xff, []int{7}},
		{"first of the high word", "\x01\x01\x01\x01\x01\x01\x01\x01\x80", 0x80, []int{8}},
		{"last", "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x02", 2, []int{11}},
		{"several", "\x05\x00\x05\x05\x00\x00\x00\x00\x05\x06\x05", 5, []int{0, 2, 3, 8, 10}},
		{"next to a match, one bit off", "\x08\x09\x08\x09\x00\x00\x00\x00\x08\x09", 8, []int{0, 2, 8}},
		{"free, next to tag 1", "\x00\x01\x01\x00\x01\x01\x01\x01\x01\x00\x01\x01", 0, []int{0, 3, 9}},
		{"full", "\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01", 0, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bucket
			copy(b.tags[:], test.tags)
			var got, want [bucketSlots]bool
			for m := b.match(test.tag); m != 0; m = m.next() {
				got[m.slot()] = true
			}
			for _, slot := range test.want {
				want[slot] = true
			}
			if got != want {
				t.Errorf("slots with tag %#x: got %v, want %v", test.tag, got, want)
			}
		})
	}
}

// TestIDsThatWereChosenSpreadLikeAnyOther is R14 of the catalogue of faults. It counts
// what a lookup costs, buckets and tags compared, instead of timing it.
func TestIDsThatWereChosenSpreadLikeAnyOther(t *testing.T) {
	const sessions = 50_000
	rng := kit.Random(t)
	for _, test := range []struct {
		name string
		id   func(n int) []byte
	}{
		{"random", func(int) []byte { return binary.BigEndian.AppendUint64(nil, rng.Uint64()) }},
		{"sequential, big-endian", func(n int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(n)) }},
		{"sequential, little-endian", func(n int) []byte { return binary.LittleEndian.AppendUint32(nil, uint32(n)) }},
		{"multiples of the number of buckets", func(n int) []byte {
			return binary.LittleEndian.AppendUint64(nil, uint64(n)*uint64(bucketCount(sessions)))
		}},
		{"one long prefix", func(n int) []byte {
			return binary.BigEndian.AppendUint32(bytes.Repeat([]byte{0xff}, 60), uint32(n))
		}},
		{"one long suffix", func(n int) []byte {
			return append(binary.BigEndian.AppendUint32(nil, uint32(n)), make([]byte, 60)...)
		}},
		{"few bits set", func(n int) []byte {
			return binary.BigEndian.AppendUint64(nil, bits.RotateLeft64(1|1<<(n%63), n/63)^uint64(n)<<32)
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := newMemory(t, Config{MaxSessions: sessions})
			for n := range sessions {
				m.Add(test.id(n), []byte("x"), deadline.Never, 0)
			}
			away, farthest, alike := spread(m)
			stored := float64(m.Len())
			if away := float64(away) / stored; away <= 0 || away > 0.05 {
				t.Errorf("sessions away from their home bucket: got %.4f, want over 0 and at most 0.05", away)
			}
			// Chance alone takes one session of 50,000 further than 15 in every fiftieth store, and
			// further than 21 in none of 4,500; each bucket more is about half as likely.
			if farthest > 32 {
				t.Errorf("farthest from home: got %d buckets, want at most 32", farthest)
			}
			// A bucket holds about 9, so about 9/255 share the tag of a given one.
			if alike := float64(alike) / stored; alike < 0.01 || alike > 0.06 {
				t.Errorf("others in the bucket with the same tag: got %.4f, want 0.01 to 0.06", alike)
			}
		})
	}
}

// spread counts the sessions that are not in their home bucket, how far the farthest is
// from it, and for each session the others in its bucket with its tag.
func spread(m *Memory) (away, farthest, alike int) {
	for i := range m.table.buckets {
		b := &m.table.buckets[i]
		for slot, tag := range b.tags {
			if tag == 0 {
				continue
			}
			home := m.table.home(m.hash(m.slab.record(b.refs[slot]).id()))
			distance := (i - home + len(m.table.buckets)) % len(m.table.buckets)
			if distance > 0 {
				away++
			}
			farthest = max(farthest, distance)
			alike += bits.OnesCount64(uint64(b.match(tag))) - 1
		}
	}
	return away, farthest, alike
}

func TestEachStoreHashesInItsOwnWay(t *testing.T) {
	a, b := newMemory(t, Config{MaxSessions: 1000}), newMemory(t, Config{MaxSessions: 1000})
	id := []byte("an id")
	if got, other := a.hash(id), b.hash(id); got == other {
		t.Errorf("hash of one id in two stores: got %#x twice, want two values", got)
	}
	if got, again := a.hash(id), a.hash(id); got != again {
		t.Errorf("hash of one id in one store: got %#x and %#x, want one value", got, again)
	}
}

// TestF14MapSliceDoesNotWrap: a size that no int can hold is an error, on 32-bit machines too.
func TestF14MapSliceDoesNotWrap(t *testing.T) {
	const wraps = 1 << (bits.UintSize - 6) // 64 bytes each: the size is 0 as an int
	for _, n := range []int{wraps, wraps + 64, math.MaxInt} {
		if _, err := mapSlice[bucket](n); !errors.Is(err, ErrMemory) {
			t.Errorf("%d buckets: got %v, want %v", n, err, ErrMemory)
		}
	}
}
