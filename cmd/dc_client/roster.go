package main

import (
	"cmp"
	"context"
	"log/slog"
	"math/rand/v2"
	"net/netip"
	"slices"
	"time"

	"distcache/codec/address"
	"distcache/engine/deadline"
	"distcache/upstream"
)

const (
	// calmLookups is how often names are looked up while all is well.
	calmLookups = time.Minute
	// leastLookups is the least time between two look-ups.
	leastLookups = time.Second
)

// roster is the list of servers of one loop. With -server-per-address it looks the names up, beside the loop and each by
// itself: at the start, at SIGHUP, every -retry while a server is missing, and once a minute otherwise. When a look-up fails,
// the addresses that it found before stay.
type roster struct {
	app    *app
	names  []address.Address       // of -server
	found  map[string][]netip.Addr // by name of the list: what was found last
	asked  time.Duration           // when the last look-up ended
	jitter float64                 // of the next one: 0 to 1
	urgent bool                    // the next ones shall begin now
	asking map[string]bool         // by name of the list: a look-up is under way

	lookUp func(address.Address) ([]netip.Addr, error)
	post   func(func()) error // to the loop

	failures map[string]lookupFailure // by name of the list: what was logged last, of those that fail
}

// lookupFailure is a line of the log.
type lookupFailure struct {
	reason  string
	quietTo time.Duration
}

func newRoster(a *app) *roster {
	return &roster{app: a, found: map[string][]netip.Addr{}, asking: map[string]bool{}, failures: map[string]lookupFailure{},
		lookUp: lookUp, post: a.loop.Post}
}

// use takes the list of -server.
func (r *roster) use(list []address.Address, now time.Duration) {
	r.names = list
	if !r.app.config.servers.perAddress {
		r.app.arrange(targets(list), now)
		return
	}
	r.urgent = true
	if len(r.found) > 0 { // it may have become shorter
		r.arrange(now)
	}
}

// refresh has the names looked up soon.
func (r *roster) refresh() { r.urgent = true }

// Deadline implements engine.Timed.
func (r *roster) Deadline() time.Duration {
	switch {
	case r.urgent:
		return 0
	case len(r.asking) > 0:
		return deadline.Never
	case r.app.complete():
		return r.asked + r.jittered(calmLookups)
	}
	return r.asked + r.jittered(min(calmLookups, max(leastLookups, r.app.config.retry)))
}

// jittered shortens d by up to a fifth, so that the hosts of a site do not ask at the same time.
func (r *roster) jittered(d time.Duration) time.Duration {
	return d - time.Duration(r.jitter*float64(d/5))
}

// Expire implements engine.Timed: it begins the look-ups, but those that are under way.
func (r *roster) Expire(now time.Duration) {
	if now < r.Deadline() {
		return
	}
	r.urgent = false
	for _, a := range r.names {
		if r.asking[nameOf(a)] {
			continue
		}
		r.asking[nameOf(a)] = true
		go func() {
			found, err := r.lookUp(a)
			_ = r.post(func() { r.take(a, found, err, r.app.loop.Now()) }) // an error means that the loop has ended
		}()
	}
}

// lookUp gives the addresses of a name, in order: name servers change theirs each time, and all hosts shall have the same.
func lookUp(a address.Address) ([]netip.Addr, error) {
	if a.Kind == address.Unix {
		return nil, nil
	}
	found, err := address.StartLookup(a).Wait(context.Background()) // it ends by itself
	if err != nil {
		return nil, err
	}
	all := make([]netip.Addr, 0, len(found))
	for _, f := range found {
		all = append(all, f.Addr())
	}
	slices.SortFunc(all, netip.Addr.Compare)
	return slices.Compact(all), nil
}

// take takes the result of a look-up.
func (r *roster) take(a address.Address, found []netip.Addr, err error, now time.Duration) {
	delete(r.asking, nameOf(a))
	r.asked, r.jitter = now, rand.Float64()
	if err == nil {
		r.found[nameOf(a)] = found
	}
	r.tell(a, err, now)
	r.arrange(now)
}

// tell shows that a name does not resolve, and logs it: when the reason changes, and again after a while.
func (r *roster) tell(a address.Address, err error, now time.Duration) {
	if err != nil {
		r.app.agent.Unresolved(a.String()+": "+err.Error(), now)
	}
	name := nameOf(a)
	last, known := r.failures[name]
	switch {
	case err == nil:
		delete(r.failures, name)
	case !known || last.reason != err.Error() || now >= last.quietTo:
		if r.app.first { // all loops ask the same
			slog.Warn("cannot resolve -server: addresses found before, if any, stay in use", "server", a.String(), "reason", err)
		}
		r.failures[name] = lookupFailure{err.Error(), now + repeatAfter}
	}
}

// arrange makes each address that was found a server.
func (r *roster) arrange(now time.Duration) {
	var all []target
	for _, a := range r.names {
		if a.Kind == address.Unix {
			all = append(all, targets([]address.Address{a})...)
		}
		for _, ip := range r.found[nameOf(a)] {
			one := a
			one.Host = ip.String()
			t := newTarget(one, cmp.Or(a.Host, one.Host))
			if !slices.ContainsFunc(all, func(o target) bool { return o.share == t.share }) {
				all = append(all, t)
			}
		}
	}
	if len(all) > upstream.MaxServers {
		slog.Warn("the names of -server have too many addresses: only the first ones are used", "addresses", len(all), "limit", upstream.MaxServers)
		all = all[:upstream.MaxServers]
	}
	if len(all) > 0 {
		r.app.arrange(all, now)
	}
}
