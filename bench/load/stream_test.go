package load

import (
	"bytes"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// asked runs the load against an honest server and returns the requests that it saw.
func asked(t *testing.T, mode func(*Config)) []kit.Request {
	t.Helper()
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Seed, c.Salt, c.Operations = 42, 7, 200
	mode(&c)
	runs(t, c)
	return server.Requests()
}

func TestSameSeedAsksTheSame(t *testing.T) {
	for name, mode := range map[string]func(*Config){
		"a connection each": func(*Config) {},
		"keep-alive":        func(c *Config) { c.KeepAlive = true },
		"pipeline":          func(c *Config) { c.KeepAlive, c.Pipeline = true, 5 },
		"named mix":         func(c *Config) { c.Mix, _ = ParseMix(MixTLS13) },
	} {
		t.Run(name, func(t *testing.T) {
			first, second := asked(t, mode), asked(t, mode)
			if len(first) != len(second) || len(first) == 0 {
				t.Fatalf("got %d and %d requests, want the same number", len(first), len(second))
			}
			for i := range first {
				if !bytes.Equal(first[i].Wire, second[i].Wire) {
					t.Fatalf("request %d: got %x, want %x as before", i, second[i].Wire, first[i].Wire)
				}
			}
		})
	}
}

func TestSameSeedAsksTheSameOfEachClient(t *testing.T) {
	mode := func(c *Config) { c.Clients, c.KeepAlive = 8, true }
	byClient := func(requests []kit.Request) map[string]int {
		sequences, seen := map[int][]byte{}, map[string]int{}
		for _, q := range requests {
			sequences[q.Conn] = append(sequences[q.Conn], q.Wire...)
		}
		for _, s := range sequences {
			seen[string(s)]++
		}
		return seen
	}
	first, second := byClient(asked(t, mode)), byClient(asked(t, mode))
	if len(first) != 8 {
		t.Fatalf("got %d different sequences of 8 clients, want each its own", len(first))
	}
	for s := range first {
		if second[s] != 1 {
			t.Errorf("a client's sequence of %d bytes did not come again", len(s))
		}
	}
}

// TestSaltChangesIDsAlone checks that a run which is repeated with another salt is the same but for the sessions' names.
func TestSaltChangesIDsAlone(t *testing.T) {
	first := asked(t, func(*Config) {})
	second := asked(t, func(c *Config) { c.Salt = 8 })
	for i := range first {
		a, b := first[i], second[i]
		if a.Op != b.Op || a.UID != b.UID || len(a.ID) != len(b.ID) || a.ID == b.ID {
			t.Fatalf("request %d: got %v uid %d ID %x, want %v uid %d and another ID of the length of %x",
				i, b.Op, b.UID, b.ID, a.Op, a.UID, a.ID)
		}
		without := func(q kit.Request) []byte { return bytes.ReplaceAll(q.Wire, []byte(q.ID), nil) }
		if !bytes.Equal(without(a), without(b)) {
			t.Fatalf("request %d: got %x, want %x but for the ID", i, b.Wire, a.Wire)
		}
	}
}

func TestAnotherSeedAsksAnother(t *testing.T) {
	first := asked(t, func(*Config) {})
	second := asked(t, func(c *Config) { c.Seed = 43 })
	same := 0
	for i := range first {
		if first[i].Op == second[i].Op && len(first[i].Wire) == len(second[i].Wire) {
			same++
		}
	}
	if same > len(first)/10 {
		t.Errorf("got %d of %d requests alike with another seed, want hardly any", same, len(first))
	}
}

func TestStreamIsWithinItsBounds(t *testing.T) {
	c := DefaultConfig()
	c.Mix = Mix{Add: 1, Get: 2, Remove: 3, Have: 4}
	c.Pipeline, c.Sessions = 4, 11
	p := newPlan(&c)
	s := p.newStream(3)
	const n = 100_000
	var ops [codec.NumOps]int
	slots := map[uint32]int{}
	shortest, longest := ^uint32(0), uint32(0)
	for i := range uint64(n) {
		o := p.next(&s)
		ops[o.op]++
		slots[o.slot]++
		shortest, longest = min(shortest, o.size), max(longest, o.size)
		if o.index != i {
			t.Fatalf("got index %d, want %d", o.index, i)
		}
		if o.slot%4 != uint32(i%4) || o.slot >= 11 {
			t.Fatalf("operation %d: got slot %d, want one under 11 of lane %d", i, o.slot, i%4)
		}
		if low, high := c.Timeout-c.TimeVar, c.Timeout+c.TimeVar; o.life() < low || o.life() > high {
			t.Fatalf("operation %d: got a life of %v, want %v to %v", i, o.life(), low, high)
		}
	}
	if shortest != 50 || longest != 2100 {
		t.Errorf("got sizes from %d to %d, want 50 to 2100", shortest, longest)
	}
	if len(slots) != 11 {
		t.Errorf("got %d slots, want 11", len(slots))
	}
	for op, weight := range []int{1, 2, 3, 4} {
		if got, want := ops[op], n*weight/10; got < want*9/10 || got > want*11/10 {
			t.Errorf("%v: got %d of %d, want about %d", codec.Op(op), got, n, want)
		}
	}
}

func TestIDsAreDifferentAndOfEveryLength(t *testing.T) {
	c := DefaultConfig()
	p := newPlan(&c)
	ids, lengths := map[string]sessionName{}, map[int]int{}
	for client := range uint32(20) {
		for slot := range uint32(50) {
			for generation := range uint32(20) {
				name := sessionName{client, slot, generation}
				id := string(p.appendID(nil, name))
				if other, ok := ids[id]; ok {
					t.Fatalf("%+v and %+v: got the same ID %x", name, other, id)
				}
				ids[id] = name
				lengths[len(id)]++
			}
		}
	}
	for n := 10; n <= 63; n++ {
		if lengths[n] == 0 {
			t.Errorf("got no ID of %d bytes of %d, want some", n, len(ids))
		}
		delete(lengths, n)
	}
	if len(lengths) > 0 {
		t.Errorf("got IDs of lengths %v, want 10 to 63 alone", lengths)
	}
}

func TestContentIsRecognised(t *testing.T) {
	c := DefaultConfig()
	p := newPlan(&c)
	for _, size := range []uint32{2, 7, 8, 9, 50, 2100, MaxData} {
		want := content{tag: p.tag(1, 2), cut: blockCuts - 1, size: size}
		b := p.appendContent(nil, want)
		if len(b) != int(size) || !p.isContent(b, want) {
			t.Errorf("%d bytes: got %d, want what was appended to be recognised", size, len(b))
		}
		for _, at := range []int{0, len(b) / 2, len(b) - 1} {
			b[at] ^= 1
			if p.isContent(b, want) {
				t.Errorf("%d bytes: byte %d is changed and was not noticed", size, at)
			}
			b[at] ^= 1
		}
		if p.isContent(b[:len(b)-1], want) || p.isContent(append(b, 0), want) {
			t.Errorf("%d bytes: another length was not noticed", size)
		}
		if size >= 8 && p.isContent(b, content{tag: p.tag(1, 3), cut: want.cut, size: size}) {
			t.Errorf("%d bytes: data of another ADD were taken for these", size)
		}
	}
}

func TestLifeIsSent(t *testing.T) {
	c := DefaultConfig()
	c.Timeout, c.TimeVar = 90*time.Second, 0
	p := newPlan(&c)
	e := encoder{plan: p, protocol: Distcache()}
	s := p.newStream(0)
	o := p.next(&s)
	o.op = codec.OpAdd
	requests := codec.NewAssembler(codec.Request)
	m, err := requests.Next(e.append(nil, &pending{operation: o}))
	if err != nil {
		t.Fatal(err)
	}
	a, status := codec.ParseAdd(m.Payload(nil))
	if status != codec.StatusOK || a.Timeout != 90*time.Second || m.UID != o.uid {
		t.Errorf("got status %v, timeout %v, uid %d, want OK, 1m30s, %d", status, a.Timeout, m.UID, o.uid)
	}
}
