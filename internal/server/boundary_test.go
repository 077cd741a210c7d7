package server

import (
	"testing"
	"time"

	"distcache/codec"
)

// late is as much longer as a session may live than asked; see store.Memory.
const late = 100 * time.Microsecond

// TestT03ShortestTimeouts: 0 and 1 ms are taken, and the session is gone when they are over.
func TestT03ShortestTimeouts(t *testing.T) {
	for _, ttl := range []time.Duration{0, ms} {
		r := newRig(t, Config{}, 64)
		r.now = 7 * time.Second
		r.mustStatus(codec.OpAdd, add("id", "data", ttl), codec.StatusOK)
		if ttl > 0 {
			r.mustStatus(codec.OpHave, []byte("id"), codec.StatusOK)
			r.now += ttl + late
		}
		for _, op := range []codec.Op{codec.OpHave, codec.OpGet, codec.OpRemove} {
			r.mustStatus(op, []byte("id"), codec.StatusNotOK)
		}
	}
}

// TestT04LongestTimeouts: 7 days and a millisecond less are taken and kept to the end, a
// millisecond more is refused.
func TestT04LongestTimeouts(t *testing.T) {
	const week = 7 * 24 * time.Hour
	for _, row := range []struct {
		ttl  time.Duration
		want codec.Status
	}{{week - ms, codec.StatusOK}, {week, codec.StatusOK}, {week + ms, codec.StatusAddTimeout}} {
		r := newRig(t, Config{}, 64)
		r.mustStatus(codec.OpAdd, add("id", "data", row.ttl), row.want)
		r.now = row.ttl
		r.mustStatus(codec.OpHave, []byte("id"), map[bool]codec.Status{true: codec.StatusOK, false: codec.StatusNotOK}[row.want == codec.StatusOK])
		r.now += late
		r.mustStatus(codec.OpHave, []byte("id"), codec.StatusNotOK)
	}
}
