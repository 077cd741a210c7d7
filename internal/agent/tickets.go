package agent

import (
	"distcache/codec"
	"distcache/upstream"
)

// ticketSize is the size of a ticket, in bytes.
const ticketSize = 112

// tickets are the requests under way that concern a cache: at most upstream.MaxInFlight.
type tickets struct {
	table []ticket
	free  []int32
}

// ticket is a request under way that concerns the cache.
type ticket struct {
	hash    uint64         // of the ID
	owner   upstream.Owner // who asked
	uid     uint32
	purpose purpose
	placed  bool   // of an ADD: its session is the entry
	number  uint32 // of a fetch and a check: entries.next
	striped uint32 // of a fetch: stripe.writes
	era     uint32 // of a fetch, as writes
	writes  uint32 // Writes.Count
	idLen   uint8
	id      [codec.MaxIDLen]byte
}

// purpose is what a request is for.
type purpose uint8

const (
	fetch purpose = iota // a GET as it is
	check                // a HAVE in place of a GET
	add
	remove
)

func ticketOwner(i int32) upstream.Owner { return upstream.Owner{Front: cacheIndex, Client: i} }

// ID is the session ID of the request.
func (t *ticket) ID() []byte { return t.id[:t.idLen] }

// take finds a ticket. There are as many as requests may be in flight.
func (t *tickets) take() (int32, bool) {
	if n := len(t.free); n > 0 {
		i := t.free[n-1]
		t.free = t.free[:n-1]
		return i, true
	}
	if len(t.table) == upstream.MaxInFlight {
		return 0, false
	}
	t.table = append(t.table, ticket{})
	return int32(len(t.table) - 1), true
}

// release frees a ticket and gives what it was.
func (t *tickets) release(i int32) ticket {
	was := t.table[i]
	t.table[i] = ticket{}
	t.free = append(t.free, i)
	return was
}
