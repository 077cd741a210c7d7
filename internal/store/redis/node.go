package redis

import (
	"time"
)

const (
	// connections is how many batches may be under way to one server, each on a connection of its own. Further ones wait.
	connections = 4
	// probePause is the time between two probes of a server that does not answer. Requests for it are answered at once.
	probePause = 100 * time.Millisecond
	// idleProbe is after how long without an answer a server is probed: /readyz and the status page tell what that finds.
	idleProbe = time.Second
	// redialPause is the least time between two Redials because a server takes no ADDs: its name may lead elsewhere now.
	redialPause = time.Second
)

// Link is the connections to one server. Its methods return at once, and are for the loop.
type Link interface {
	// Run carries out a batch: it sets its replies and posts its finished. At most connections batches run at a time.
	Run(b *batch)
	// Probe asks a real question; answered is posted.
	Probe(answered func(r reply))
	// HangUp ends the connections; those under way end with a failure.
	HangUp()
	// Redial makes each connection anew before it is used again. What is under way goes on.
	Redial()
	// Close ends them for good.
	Close()
}

// node is one server.
type node struct {
	store   *Store
	address string
	link    Link

	gathering *batch   // nil: there is none
	queue     []*batch // full, or waiting
	running   []*batch

	down    bool // nothing is sent but probes
	reach   health
	writes  health
	probing bool
	probeAt time.Duration
	heard   time.Duration // the last answer
	redial  time.Duration // not before then
	retired bool          // it is in no topology any more: its link is closed once nothing runs
}

// gather gives the batch that the next command goes into.
func (n *node) gather() *batch {
	if n.gathering != nil && n.gathering.full(n.store.route.batchSize()) {
		n.queue = append(n.queue, n.gathering)
		n.gathering = nil
	}
	if n.gathering == nil {
		n.gathering = n.store.newBatch(n)
	}
	return n.gathering
}

// dispatch sends what can be sent. A batch keeps gathering while all connections are in use.
func (n *node) dispatch() {
	for len(n.running) < connections {
		if len(n.queue) == 0 && n.gathering != nil {
			n.queue = append(n.queue, n.gathering)
			n.gathering = nil
		}
		if len(n.queue) == 0 || !n.queue[0].ready() {
			return
		}
		b := n.queue[0]
		if n.store.underWay+len(b.commands) > maxUnderWay { // batches from before there were so many servers
			return
		}
		n.queue = n.queue[:copy(n.queue, n.queue[1:])]
		if n.store.drop(b); len(b.commands) == 0 { // nobody waits for any of it
			n.store.release(b)
			continue
		}
		b.running = true
		n.running = append(n.running, b)
		n.store.underWay += len(b.commands)
		n.store.counters.Batches++
		n.store.counters.Commands += uint64(len(b.commands))
		n.link.Run(b)
	}
}

// ended takes a batch out of those that run, and its commands out of those that are under way.
func (n *node) ended(b *batch) {
	n.store.underWay -= len(b.commands)
	for i := range n.running {
		if n.running[i] == b {
			n.running = append(n.running[:i], n.running[i+1:]...)
			return
		}
	}
}

// fail notes that count requests failed: by a server that cannot be asked, which is then asked nothing but probes, or by one
// that answers so.
func (n *node) fail(k Kind, reason string, count uint64, now time.Duration) {
	h := &n.reach
	if k.refusesADDs() {
		h = &n.writes
	}
	c, news := h.bad(k, reason, count, now)
	n.tell(c, news, k.refusesADDs(), now)
	if k.refusesADDs() {
		if k == ReadOnly && now >= n.redial {
			n.redial = now + redialPause
			n.link.Redial()
		}
		n.store.refresh(now)
		return
	}
	if k != Other && k != Busy && k != Full {
		n.store.refresh(now)
	}
}

// lose notes, as fail does, that a server cannot be asked. Requests that wait for it fail. Its other connections are
// replaced, too: they may be dead as well, and a probe tests only one.
func (n *node) lose(k Kind, reason string, count uint64, now time.Duration) {
	if !n.down {
		n.down, n.probeAt = true, now+probePause
		n.store.counters.Opened++
		n.link.Redial()
		for _, b := range n.queue {
			count += n.store.giveUp(b, k, now)
		}
		if n.gathering != nil {
			count += n.store.giveUp(n.gathering, k, now)
		}
	}
	n.fail(k, reason, count, now)
}

// answers notes a success; wrote, that it was an ADD.
func (n *node) answers(wrote bool, now time.Duration) {
	n.heard = now
	c, news := n.reach.good(now)
	n.tell(c, news, false, now)
	if wrote {
		c, news = n.writes.good(now)
		n.tell(c, news, true, now)
	}
}

func (n *node) tell(c Change, news, writes bool, now time.Duration) {
	if news {
		c.Address, c.Writes = n.address, writes
		n.store.observer.StoreChanged(c, now)
	}
}

// due is when expire has something to do.
func (n *node) due() time.Duration {
	if n.probing {
		return never
	}
	if n.down {
		return n.probeAt
	}
	return n.heard + idleProbe
}

// expire probes.
func (n *node) expire(now time.Duration) {
	if n.due() > now || n.retired {
		return
	}
	n.probing, n.probeAt = true, now+probePause
	n.link.Probe(func(r reply) { n.probed(&r, n.store.loop.Now()) })
}

// probed takes the answer to a probe. A server of a cluster that has moved the key of the probe away answers too.
func (n *node) probed(r *reply, now time.Duration) {
	n.probing = false
	o := outcomeOf(probeOp, exists, r)
	switch {
	case n.store.closed:
	case r.broken:
		n.lose(o.kind, r.text, 0, now)
	case o.kind == Protocol:
		n.link.HangUp()
		n.lose(o.kind, "the server answers what no Redis would: is it one?", 0, now)
	case o.kind == OK || o.kind == Moved:
		n.down = false
		n.answers(false, now)
	default:
		n.down, n.heard = false, now
		n.fail(o.kind, r.text, 0, now)
	}
}
