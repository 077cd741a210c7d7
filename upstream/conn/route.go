package conn

import (
	"cmp"
	"slices"
	"time"

	"distcache/upstream"
)

// route is what earlier attempts have taught about the server's addresses. It is a value
// that does not change: an attempt works with the route of its beginning, and its end makes
// the next one.
//
// The address that answered last is tried first. The others follow by how long ago they
// were tried, and in the order in which they were found where that is the same. So a long
// list is gone through in time, a server that accepts and never answers does not keep the
// others from their turn, and a name server that changes the order each time does no harm.
type route struct {
	known    []endpoint        // what the name resolved to last
	answered string            // the name of the endpoint that answered last; "": none
	turns    map[string]uint64 // by name: when it was tried last, in endpoints tried since start
	turn     uint64
}

// order puts found in the order in which an attempt tries it.
func (r route) order(found []endpoint) []endpoint {
	rank := func(e endpoint) int64 {
		if e.name == r.answered {
			return -1
		}
		return int64(r.turns[e.name])
	}
	ordered := slices.Clone(found)
	slices.SortStableFunc(ordered, func(a, b endpoint) int { return cmp.Compare(rank(a), rank(b)) })
	return ordered
}

// after is the route after an attempt that tried the first endpoints of order. answered
// tells whether the last of these answered.
func (r route) after(order []endpoint, tried int, answered bool) route {
	if tried == 0 {
		return r
	}
	next := route{known: order, turn: r.turn, turns: make(map[string]uint64, len(order))}
	for _, e := range order { // and no others: names come and go
		next.turns[e.name] = r.turns[e.name]
	}
	for _, e := range order[:tried] {
		next.turn++
		next.turns[e.name] = next.turn
	}
	if answered { // else it had its chance, as the first of all
		next.answered = order[tried-1].name
	}
	return next
}

// leastShare is the least time that an address gets of an attempt when there are others.
const leastShare = 250 * time.Millisecond

// share is how much of an attempt each of n addresses gets but the last, which gets the rest.
func share(n int) time.Duration { return max(leastShare, upstream.AttemptTimeout/time.Duration(n)) }
