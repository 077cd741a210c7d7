package chaos

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"testing"
)

// value tells one ADD of a run: which client sent it, and how many it had sent before,
// counted from 1. The zero value is none.
type value struct{ writer, serial uint32 }

// canarySize is the least that a session's data can hold, in bytes: ID's hash, writer,
// serial and the whole length.
const canarySize = 20

// canary is the data of a session, size bytes. Every byte follows from the arguments, so
// a byte that belongs elsewhere shows, and from where it came.
func canary(id string, v value, size int) []byte {
	b := make([]byte, 0, size+8)
	b = binary.BigEndian.AppendUint64(b, hashOf(id))
	b = binary.BigEndian.AppendUint32(b, v.writer)
	b = binary.BigEndian.AppendUint32(b, v.serial)
	b = binary.BigEndian.AppendUint32(b, uint32(size))
	x := hashOf(id) ^ uint64(v.writer)<<32 ^ uint64(v.serial)
	for len(b) < size {
		x = x*6364136223846793005 + 1442695040888963407
		b = binary.BigEndian.AppendUint64(b, x^x>>29)
	}
	return b[:size]
}

// inspect says what a GET of id found: whose it is, whether it is that ID's, and how
// many bytes are not as they were written (those that are missing or too many too).
func inspect(id string, data []byte) (v value, ours bool, leaked int) {
	if len(data) < canarySize {
		return value{}, false, len(data)
	}
	v = value{binary.BigEndian.Uint32(data[8:]), binary.BigEndian.Uint32(data[12:])}
	ours = binary.BigEndian.Uint64(data) == hashOf(id)
	size := int(binary.BigEndian.Uint32(data[16:]))
	if size < canarySize || size > 1<<16 {
		return v, ours, len(data)
	}
	return v, ours, differing(data, canary(id, v, size))
}

func differing(a, b []byte) int {
	if slices.Equal(a, b) {
		return 0
	}
	n := max(len(a), len(b)) - min(len(a), len(b))
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			n++
		}
	}
	return n
}

func hashOf(id string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(id)) // never fails
	return h.Sum64()
}

func TestCanaryTellsEveryByte(t *testing.T) {
	v := value{7, 9}
	for _, size := range []int{canarySize, 21, 300, 2049} {
		whole := canary("id", v, size)
		if got, ours, leaked := inspect("id", whole); got != v || !ours || leaked != 0 || len(whole) != size {
			t.Errorf("%d bytes: got %v, ours %v, %d leaked, want %v, ours, 0", size, got, ours, leaked, v)
		}
		for i := range whole {
			spoilt := slices.Clone(whole)
			spoilt[i] ^= 0x40
			got, ours, leaked := inspect("id", spoilt)
			if leaked == 0 && ours && got == v {
				t.Errorf("byte %d of %d: got it unnoticed, want it noticed", i, size)
			}
		}
	}
}

func TestCanaryTellsAnothersData(t *testing.T) {
	whole := canary("id", value{7, 9}, 300)
	tests := []struct {
		name   string
		id     string
		data   []byte
		ours   bool
		leaked int
	}{
		{"another session's", "other", whole, false, 288},
		{"the end cut off", "id", whole[:290], true, 10},
		{"bytes too many", "id", slices.Concat(whole, []byte("abc")), true, 3},
		{"another's in the middle", "id", slices.Concat(whole[:100], canary("other", value{1, 1}, 300)[100:108], whole[108:]), true, 8},
		{"too short for any", "id", whole[:5], false, 5},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, ours, leaked := inspect(tt.id, tt.data)
			// One byte in 256 is the same by chance.
			if ours != tt.ours || leaked < tt.leaked*9/10 || leaked > 300 || leaked == 0 {
				t.Errorf("got ours %v, %d leaked, want %v, about %d", ours, leaked, tt.ours, tt.leaked)
			}
		})
	}
}
