package upstream

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"

	"distcache/codec"
)

// someIDs are n session IDs of 32 bytes, as TLS has them.
func someIDs(n int) [][]byte {
	all := make([][]byte, n)
	for i := range all {
		all[i] = make([]byte, 32)
		binary.BigEndian.PutUint64(all[i][24:], uint64(i)) // the least that IDs can differ
	}
	return all
}

func serverNames(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("cache%d.example.net:9001", i)
	}
	return names
}

// TestRendezvousIsBalanced: each server gets its share, within six standard deviations.
func TestRendezvousIsBalanced(t *testing.T) {
	const ids = 60_000
	for _, n := range []int{1, 2, 3, 5, 16, MaxServers} {
		r, counts := newRendezvous(serverNames(n)), make([]int, n)
		for _, id := range someIDs(ids) {
			counts[r.choose(id)]++
		}
		share := float64(ids) / float64(n)
		for i, got := range counts {
			if off := float64(got) - share; off*off > 36*share {
				t.Errorf("%d servers: number %d got %d of %d IDs, want about %.0f", n, i, got, ids, share)
			}
		}
	}
}

// TestRendezvousMovesOneShare: a server that is added takes its share from the others, and no ID moves between these;
// with one that is removed it is the reverse.
func TestRendezvousMovesOneShare(t *testing.T) {
	const ids = 60_000
	for _, n := range []int{1, 2, 3, 8, 63} {
		names := serverNames(n + 1)
		before, after, moved := newRendezvous(names[:n]), newRendezvous(names), 0
		for _, id := range someIDs(ids) {
			switch from, to := before.choose(id), after.choose(id); {
			case from == to:
			case to != n:
				t.Fatalf("%d servers and one more: ID %x moves from %d to %d, want it to stay or go to the new one", n, id, from, to)
			default:
				moved++
			}
		}
		share := float64(ids) / float64(n+1)
		if off := float64(moved) - share; off*off > 36*share {
			t.Errorf("%d servers and one more: %d of %d IDs move, want about %.0f", n, moved, ids, share)
		}
		t.Logf("%d servers and one more: %d of %d IDs move, 1/%d is %.0f", n, moved, ids, n+1, share)
	}
}

// TestRendezvousKnowsNoOrder: all hosts map alike, whatever the order of their flags.
func TestRendezvousKnowsNoOrder(t *testing.T) {
	names := serverNames(7)
	reverse := slices.Clone(names)
	slices.Reverse(reverse)
	a, b := newRendezvous(names), newRendezvous(reverse)
	for _, id := range someIDs(10_000) {
		if x, y := names[a.choose(id)], reverse[b.choose(id)]; x != y {
			t.Fatalf("ID %x goes to %s, and with the list reversed to %s", id, x, y)
		}
	}
}

// TestRendezvousGolden pins the map: a later version must map alike, or the hosts of a site that is being upgraded
// would not find each other's sessions.
func TestRendezvousGolden(t *testing.T) {
	names := []string{"cache1.example.net:9001", "cache2.example.net:9001", "10.0.0.3:9001", "/run/cache.sock"}
	r := newRendezvous(names)
	for _, row := range golden {
		if got := names[r.choose([]byte(row.id))]; got != row.want {
			t.Errorf("ID %q: got %s, want %s", row.id, got, row.want)
		}
	}
	for _, row := range []struct{ got, want uint64 }{
		{mix(0x0123456789abcdef), 0x87cbfbfe89022cea}, {newRendezvous([]string{""}).seeds[0], 0xef46db3751d8e999}, {r.seeds[0], 0xa3a004430a114643},
	} {
		if row.got != row.want {
			t.Errorf("got %#x, want %#x", row.got, row.want)
		}
	}
}

var golden = []struct{ id, want string }{
	{"", "cache1.example.net:9001"},
	{"\x00", "cache2.example.net:9001"},
	{"a", "/run/cache.sock"},
	{"b", "10.0.0.3:9001"},
	{"a session", "cache1.example.net:9001"},
	{"another session", "/run/cache.sock"},
	{"0123456789abcdef0123456789abcdef", "cache2.example.net:9001"},
	{"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "cache2.example.net:9001"},
}

// TestRequestsOfOneSessionGoTogether: the ID chooses, in whatever operation it is.
func TestRequestsOfOneSessionGoTogether(t *testing.T) {
	id := someIDs(1)[0]
	for _, m := range []codec.Message{
		request(1, codec.OpGet, string(id)), request(1, codec.OpHave, string(id)), request(1, codec.OpRemove, string(id)),
		request(1, codec.OpAdd, string(codec.AppendAdd(nil, codec.Add{ID: id, Data: []byte("data")}))),
		request(1, codec.OpAdd, string(codec.AppendAdd(nil, codec.Add{ID: id, Data: make([]byte, 5000)}))),
	} {
		if got := m.SessionID(); string(got) != string(id) {
			t.Errorf("%v of %d bytes: got ID %x, want %x", m.Op, m.PayloadLen, got, id)
		}
	}
	for _, payload := range []string{"", "\x00\x00\x00\x00\x00\x00\x00", "\x00\x00\x00\x00\xff\xff\xff\xffid", "\x00\x00\x00\x00\x00\x00\x00\x00"} {
		m := request(1, codec.OpAdd, payload)
		if got := m.SessionID(); len(got) > 2 {
			t.Errorf("ADD %q: got ID %q", payload, got)
		}
	}
}
