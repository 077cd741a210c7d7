package load

import (
	"bytes"
	"distcache/bench/load/plan"
	"testing"

	"distcache/internal/test/kit"
)

// asked runs the load against an honest server and returns the requests that it saw.
func asked(t *testing.T, mode func(*plan.Config)) []kit.Request {
	t.Helper()
	server := serve(t)
	c := configFor(t, server.Endpoint())
	c.Seed, c.Salt, c.Operations = 42, 7, 200
	mode(&c)
	runs(t, c)
	return server.Requests()
}

func TestSameSeedAsksTheSame(t *testing.T) {
	for name, mode := range map[string]func(*plan.Config){
		"a connection each": func(*plan.Config) {},
		"keep-alive":        func(c *plan.Config) { c.KeepAlive = true },
		"pipeline":          func(c *plan.Config) { c.KeepAlive, c.Pipeline = true, 5 },
		"named mix":         func(c *plan.Config) { c.Mix, _ = plan.ParseMix(plan.MixTLS13) },
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
	mode := func(c *plan.Config) { c.Clients, c.KeepAlive = 8, true }
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
	first := asked(t, func(*plan.Config) {})
	second := asked(t, func(c *plan.Config) { c.Salt = 8 })
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
	first := asked(t, func(*plan.Config) {})
	second := asked(t, func(c *plan.Config) { c.Seed = 43 })
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
