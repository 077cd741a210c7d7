package redis

import (
	"fmt"
	"slices"
	"time"
)

const (
	// lookPause is the least time between two questions which servers there are.
	lookPause = 100 * time.Millisecond
	// lookCluster and lookSentinel are the times between two such questions while all is well.
	lookCluster, lookSentinel = 5 * time.Second, time.Second
)

// route knows which server has which key.
type route struct {
	mode   Mode
	nodes  []*node
	where  map[string]*node // by address
	slots  []*node          // by slot; nil: one server has all
	single *node

	health    health // of finding the servers
	uncovered health // slots of a cluster without a server
	looking   bool
	looked    time.Duration // when the last question began
	lookAt    time.Duration // of the next
}

func newRoute() route { return route{where: map[string]*node{}, lookAt: never} }

// nodeOf gives the server that has a key; nil: none is known.
func (r *route) nodeOf(key []byte) *node {
	if r.slots == nil {
		return r.single
	}
	return r.slots[slotOf(key)]
}

// batchSize is the most commands of a batch. When all connections to all servers carry such batches, they are maxUnderWay.
func (r *route) batchSize() int {
	return min(batchCommands, maxUnderWay/(connections*max(1, len(r.nodes))))
}

// due is when there is something to do for the servers.
func (r *route) due(started bool) time.Duration {
	next := never
	if started && !r.looking {
		next = r.lookAt
	}
	for _, n := range r.nodes {
		if !n.retired {
			next = min(next, n.due())
		}
	}
	return next
}

// at gives the server at an address, which may be a new one; nil: there are too many.
func (r *route) at(address string, s *Store) *node {
	n := r.where[address]
	if n == nil && len(r.nodes) < maxNodes {
		n = &node{store: s, address: address, link: s.dialer.Link(address)}
		r.where[address] = n
		r.nodes = append(r.nodes, n)
	}
	if n != nil {
		n.retired = false
	}
	return n
}

// forget closes the link of a server that is in no topology any more, once it has nothing to do.
func (r *route) forget(n *node) {
	if len(n.running) > 0 || len(n.queue) > 0 || n.gathering != nil || n.probing {
		return
	}
	n.link.Close()
	delete(r.where, n.address)
	r.nodes = slices.DeleteFunc(slices.Clone(r.nodes), func(other *node) bool { return other == n })
}

// refresh asks soon which servers there are: something is wrong with one.
func (s *Store) refresh(now time.Duration) {
	if s.route.mode != Single {
		s.lookSoon(now)
	} else { // the same server, mostly; of several hosts another may serve
		s.route.lookAt = min(s.route.lookAt, max(now, s.route.looked+lookSentinel))
	}
}

func (s *Store) lookSoon(now time.Duration) {
	s.route.lookAt = min(s.route.lookAt, max(now, s.route.looked+lookPause))
}

// lookAround asks which servers there are.
func (s *Store) lookAround(now time.Duration) {
	if s.route.looking {
		return
	}
	s.route.looking, s.route.looked, s.route.lookAt = true, now, never
	elsewhere := s.route.mode != Single && s.troubled() // of servers that are no cluster, each has sessions of its own
	s.dialer.Topology(elsewhere, func(t topology, err error) { s.found(t, err, s.loop.Now()) })
}

// found takes the answer.
func (s *Store) found(t topology, err error, now time.Duration) {
	r := &s.route
	r.looking = false
	if s.closed {
		return
	}
	if err != nil {
		s.notFound(err, now)
		return
	}
	r.health.good(now)
	switch t.mode {
	case Cluster:
		r.lookAt = now + lookCluster
	case Sentinel:
		r.lookAt = now + lookSentinel
	}
	s.apply(t, now)
	if s.troubled() {
		s.refresh(now)
	}
}

// notFound tells why no server could be asked, once, and asks again.
func (s *Store) notFound(err error, now time.Duration) {
	k, reason := kindOfError(err)
	if _, news := s.route.health.bad(k, reason, 0, now); news && len(s.route.nodes) == 0 {
		s.observer.StoreNotFound(k, reason, now)
	}
	s.route.lookAt = s.route.looked + lookPause
}

// troubled reports whether something is wrong that other servers could mend.
func (s *Store) troubled() bool {
	return s.route.uncovered.trouble != OK || slices.ContainsFunc(s.route.nodes, func(n *node) bool { return !n.retired && (n.down || n.reach.trouble != OK || n.writes.trouble != OK) })
}

// apply puts a topology in force.
func (s *Store) apply(t topology, now time.Duration) {
	r := &s.route
	var addresses []string
	for _, part := range t.ranges {
		if !slices.Contains(addresses, part.address) {
			addresses = append(addresses, part.address)
		}
	}
	slices.Sort(addresses)
	was := r.addresses()
	for _, n := range r.nodes {
		n.retired = !slices.Contains(addresses, n.address)
	}
	r.single, r.slots = nil, nil
	if t.mode == Cluster {
		r.slots = make([]*node, slots)
	}
	for _, part := range t.ranges {
		known := r.where[part.address] != nil
		n := r.at(part.address, s)
		if n == nil {
			continue
		}
		if !known { // it is asked before it is used
			n.down, n.probeAt = true, now
		}
		if t.mode != Cluster {
			r.single = n
			break
		}
		for slot := part.first; slot <= part.last; slot++ {
			r.slots[slot] = n
		}
	}
	for _, n := range slices.Clone(r.nodes) {
		if n.retired {
			r.forget(n)
		}
	}
	s.cover(now)
	if changed := !slices.Equal(was, addresses); changed || r.mode != t.mode {
		r.mode = t.mode
		s.observer.StoreFound(t.mode, addresses, now)
	}
}

// cover tells when slots lose their server, and when all have one again.
func (s *Store) cover(now time.Duration) {
	r, missing := &s.route, 0
	for _, n := range r.slots {
		if n == nil {
			missing++
		}
	}
	var c Change
	var news bool
	if missing > 0 {
		c, news = r.uncovered.bad(ClusterDown, fmt.Sprintf("%d of %d slots have no server", missing, slots), 0, now)
	} else {
		c, news = r.uncovered.good(now)
	}
	if news {
		c.Address = "the cluster"
		s.observer.StoreChanged(c, now)
	}
}

// addresses are those of the servers in use, sorted.
func (r *route) addresses() (all []string) {
	for _, n := range r.nodes {
		if !n.retired {
			all = append(all, n.address)
		}
	}
	slices.Sort(all)
	return all
}
