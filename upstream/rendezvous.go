package upstream

import (
	"strings"

	"github.com/cespare/xxhash/v2"
)

// rendezvous maps session IDs to servers by the names of these (“highest random weight”): each server has a
// weight for each ID, and the greatest is chosen. The order of the servers does not matter, and one that is
// added takes from each other server as much as its own share, and nothing else moves. Each dc_client of a site
// must map alike, whatever its version: the golden values of the tests never change.
type rendezvous struct {
	names []string
	seeds []uint64 // of names
}

func newRendezvous(names []string) rendezvous {
	r := rendezvous{names: names}
	for _, name := range names {
		r.seeds = append(r.seeds, xxhash.Sum64String(name))
	}
	return r
}

// choose gives the index of the server for the session ID.
func (r *rendezvous) choose(id []byte) int {
	h, chosen, greatest := xxhash.Sum64(id), 0, uint64(0)
	for i, seed := range r.seeds {
		switch weight := mix(h ^ seed); {
		case weight > greatest || i == 0:
			chosen, greatest = i, weight
		case weight == greatest && strings.Compare(r.names[i], r.names[chosen]) < 0:
			chosen = i
		}
	}
	return chosen
}

// mix is the finalizer of MurmurHash3: each bit of x changes about half of the bits.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
