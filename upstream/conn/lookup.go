package conn

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"distcache/codec/address"
	"distcache/upstream"
)

// resolve finds the endpoints of target. lookup is of its name; nil: a unix socket has none. The
// error says that there is none, or none yet when ctx ends.
func resolve(ctx context.Context, target address.Address, lookup *address.Lookup) ([]endpoint, error) {
	if lookup == nil {
		return []endpoint{{name: target.String(), network: "unix", address: target.Path}}, nil
	}
	found, err := lookup.Wait(ctx)
	if err != nil {
		return nil, fmt.Errorf("cannot resolve %s: %w", target, err)
	}
	all := make([]endpoint, 0, len(found))
	for _, f := range found {
		all = append(all, endpoint{name: f.String(), network: "tcp", address: f.String()})
	}
	return all, nil
}

// startLookup begins to look up the name of target; nil: it has none.
func startLookup(target address.Address) *address.Lookup {
	if target.Kind == address.Unix {
		return nil
	}
	return address.StartLookup(target)
}

func cancelLookup(l *address.Lookup) {
	if l != nil {
		l.Cancel()
	}
}

// names are those of the endpoints.
func names(all []endpoint) []string {
	texts := make([]string, 0, len(all))
	for _, e := range all {
		texts = append(texts, e.name)
	}
	return texts
}

// Refresh looks the name up anew, beside the loop, and calls done on the loop with the addresses
// found, in the form of Address. The connection stays as it is. While such a look-up is under way,
// Refresh does nothing.
func (c *Conn) Refresh(done func(found []string, err error)) {
	if c.refreshing {
		return
	}
	lookup := startLookup(c.target)
	c.refreshing, c.refresh = true, lookup
	go func() {
		found, err := resolve(context.Background(), c.target, lookup)
		_ = c.poller.Post(func() { // an error means that the loop has ended
			c.refreshing = false
			if err == nil {
				c.refreshed = found
			}
			if !c.link.Stopped() {
				done(names(found), err)
			}
		})
	}()
}

// Next makes another Conn to the same target. It looks the name up again, and tries the addresses
// that Refresh has found if that takes long.
func (c *Conn) Next() *Conn {
	next := New(c.poller, c.target)
	next.route.known = c.refreshed
	next.observe, next.observed = c.observe, c.observed
	next.security = c.security
	return next
}

// OnAddresses sets what is called on the loop when the name has resolved to another set of
// addresses than before, with these in order. The Conns of Next inherit it.
func (c *Conn) OnAddresses(observe func(all []string)) { c.observe = observe }

// learn tells of the addresses that an attempt has found, when they are others.
func (c *Conn) learn(order []endpoint) {
	all := names(order)
	slices.Sort(all)
	if len(all) == 0 || slices.Equal(all, c.observed) {
		return
	}
	c.observed = all
	if c.observe != nil {
		c.observe(all)
	}
}

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
