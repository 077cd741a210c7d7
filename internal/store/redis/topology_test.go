package redis

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/redis/rueidis"

	"distcache/codec"
)

// TestSlots compares with rueidis, which computes them for itself.
func TestSlots(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	builder := rueidis.Builder{}
	keys := [][]byte{nil, []byte("123456789"), []byte("{a}b"), []byte("b{a}"), []byte("{}a"), []byte("{a"), []byte("a}"), []byte("}{a}"), []byte("{{a}}"), []byte("{a}{b}")}
	for range 2000 {
		key := make([]byte, random.IntN(80))
		for i := range key {
			key[i] = byte(random.Uint32())
			if random.IntN(10) == 0 {
				key[i] = "{}"[random.IntN(2)]
			}
		}
		keys = append(keys, key)
	}
	for _, key := range keys {
		command := builder.Arbitrary("GET").Build().SetSlot(string(key))
		if got, want := slotOf(key), int(command.Slot()); got != want {
			t.Fatalf("key %q: got slot %d, want %d", key, got, want)
		}
	}
	if got := slotOf([]byte("123456789")); got != 0x31c3 {
		t.Errorf("got slot %#x, want that of the specification, 0x31c3", got)
	}
}

// TestOthersAreAskedInTrouble: the server that has answered last may be cut off, and know of no failover.
func TestOthersAreAskedInTrouble(t *testing.T) {
	l, err := ParseLocation("redis://a,b,c")
	if err != nil {
		t.Fatal(err)
	}
	n := NewNet(l, Config{}, nil)
	n.asker.known = []string{"d:1", "a:6379"}
	var got []string
	for range 5 {
		n.asker.address = n.asker.candidates(true)[0] // it answers
		got = append(got, n.asker.address)
	}
	if want := []string{"a:6379", "b:6379", "c:6379", "d:1", "a:6379"}; !slices.Equal(got, want) {
		t.Errorf("got %q asked, want all in turn: %q", got, want)
	}
	r := newCluster(t)
	r.pass(lookCluster)
	if r.elsewhere {
		t.Error("without trouble: got another server asked, want the same")
	}
	r.look(threeServers(), nil)
	uid := r.ask(codec.OpGet, "1")
	for _, l := range r.links {
		if len(l.running) > 0 {
			l.finish(0, always(failure(Connection, "connection refused")))
		}
	}
	r.want(uid, codec.StatusDisconnected)
	if r.pass(lookPause); len(r.looks) != 1 || !r.elsewhere {
		t.Errorf("in trouble: got %d questions, elsewhere %v, want one, and true", len(r.looks), r.elsewhere)
	}
}

func TestTopology(t *testing.T) {
	got, err := cluster([]slotLine{
		{0, 5460, "10.0.0.1", 7000}, {5461, 10922, "", 7001}, {10923, 16383, "fd00::1", 7002},
		{-1, 5, "x", 1}, {5, 4, "x", 1}, {0, 16384, "x", 1}, {1, 2, "?", 1}, {1, 2, "x", 0}, {1, 2, "x", 65536},
	}, "10.0.0.9:6379")
	want := []slotRange{{0, 5460, "10.0.0.1:7000"}, {5461, 10922, "10.0.0.9:7001"}, {10923, 16383, "[fd00::1]:7002"}}
	if err != nil || len(got.ranges) != len(want) {
		t.Fatalf("got %+v, %v, want %+v", got, err, want)
	}
	for i, r := range want {
		if got.ranges[i] != r {
			t.Errorf("got %+v, want %+v", got.ranges[i], r)
		}
	}
	many := make([]slotLine, maxNodes+1)
	for i := range many {
		many[i] = slotLine{int64(i), int64(i), "x", int64(1 + i)}
	}
	for _, lines := range [][]slotLine{{{0, 16383, "x", 1}, {5, 5, "y", 1}}, many} {
		if got, err := cluster(lines, "10.0.0.9:6379"); err != errGarbage {
			t.Errorf("got %d ranges, %v, want %v", len(got.ranges), err, errGarbage)
		}
	}
	if _, err := cluster([]slotLine{{1, 2, "?", 1}}, "10.0.0.9:6379"); err != errNoSlots {
		t.Errorf("got %v, want %v", err, errNoSlots)
	}
}
