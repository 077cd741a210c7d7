package main

import (
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestMinExpiry looks at what dc_server sees of an ADD: the timeout, when it is shorter
// than the floor, is raised, and nothing else is changed.
func TestMinExpiry(t *testing.T) {
	t.Parallel()
	type add struct {
		name       string
		asked, saw uint32 // ms
		data       int
	}
	for _, row := range []struct {
		name string
		args []string
		adds []add
	}{
		{"five minutes", []string{"-minexpiry", "300000"}, []add{
			{"shorter", 999, 300000, 100},
			{"0", 0, 300000, 1},
			{"of many frames", 1, 300000, 30000},
			{"equal", 300000, 300000, 100},
			{"longer", 300001, 300001, 100},
		}},
		{"a week", []string{"-minexpiry", "604800000"}, []add{{"too long", 604800001, 604800001, 100}}},
		{"off", nil, []add{{"short", 999, 999, 100}}},
		{"0 is off", []string{"-minexpiry=0"}, []add{{"0", 0, 0, 100}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Loopback())
			_, at := startLinked(t, up.Endpoint(), row.args...)
			client := kit.Dial(t, at)
			var all [][]byte
			for uid, a := range row.adds {
				request := kit.Add(uint32(uid), a.name, strings.Repeat("d", a.data), time.Duration(a.asked)*time.Millisecond)
				client.Answer(request)
				binary.BigEndian.PutUint32(request[codec.HeaderSize:], a.saw)
				all = append(all, request)
			}
			mustHaveForwarded(t, up, all...)
		})
	}
}

// TestMinExpiryOfOthers: only an ADD has a timeout; what looks like one is left alone.
func TestMinExpiryOfOthers(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Loopback())
	_, at := startLinked(t, up.Endpoint(), "-minexpiry", "300000")
	client := kit.Dial(t, at)
	var all [][]byte
	for _, op := range []codec.Op{codec.OpGet, codec.OpHave, codec.OpRemove} {
		request := kit.Ask(1, op, make([]byte, 12))
		client.Answer(request)
		all = append(all, request)
	}
	mustHaveForwarded(t, up, all...)
}
