package conn

import (
	"context"
	"fmt"
	"slices"

	"distcache/codec/address"
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
