package agent

import (
	"time"

	"github.com/cespare/xxhash/v2"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/store"
	"distcache/upstream"
)

const (
	// cacheIndex is the front of requests that bring their answers to the cache. No front.Front has it.
	cacheIndex = 254
	// CacheMemory is what a cache takes beside its store.Memory, in bytes: the tickets, whose table grows by doubling,
	// the stripes, and buffers for three messages.
	CacheMemory = 2*upstream.MaxInFlight*ticketSize + numStripes*8 + 128<<10
	numStripes  = 1 << 12
)

// cache keeps copies of sessions that came through here. A GET of such a session goes to dc_server as a HAVE, and costs one
// byte in place of the session.
//
//	GET ──▶ Submit ── is it among the entries? ── HAVE ──▶ dc_server
//	GET's answer ◀── settle: OK: the entry │ NOTOK: NOTOK ◀─┘
//
// An entry comes from an ADD that dc_server took, and from a GET that found something. No entry is used or made while an ADD or a
// REMOVE of its ID is under way. An entry goes when that has its answer, and all of them go when another dc_server may
// answer. dc_server carries out the requests for one ID in their order, and answers them so.
type cache struct {
	held    entries
	servers *upstream.Servers
	asked   *upstream.Server // the target of the last request; another one begins an era
	tickets tickets
	stripes [numStripes]stripe
	answer  []byte
	get     codec.Message // kept here, so that it costs no allocation
	writes  Writes        // nil: no other agent has clients of this host
	full    *uint64
	stopped bool

	// Counters counts what happened, since start.
	Counters CacheCounters
}

// CacheCounters are totals since start.
type CacheCounters struct {
	Hits  uint64 // GETs answered with an entry
	Gone  uint64 // GETs of an entry that dc_server has not any more
	Again uint64 // GETs that were sent after all: the entry was gone when dc_server said that it has the session
}

// Writes counts the ADDs and REMOVEs of all agents of a process, by a hash of their ID. A client may ask any of them, and
// shall find what it wrote by another one.
type Writes interface {
	Note(hash uint64)
	Count(hash uint64) uint32
}

// stripe is what is known of all IDs with one hash.
type stripe struct {
	writes uint32 // ADDs and REMOVEs so far
	open   int32  // of those, without an answer
}

// newCache makes a cache without entries. writes are nil where there is one agent. It adds to full the requests that it refuses.
func newCache(memory *store.Memory, writes Writes, servers *upstream.Servers, full *uint64) *cache {
	return &cache{held: newEntries(memory), writes: writes, servers: servers, full: full, answer: make([]byte, 0, codec.MaxMessageSize)}
}

// Submit forwards a request, or a HAVE in place of a GET.
func (c *cache) Submit(owner upstream.Owner, m *codec.Message, now time.Duration) error {
	id := m.SessionID()
	if m.Op == codec.OpHave || !codec.ValidID(id) {
		return c.servers.Submit(owner, m, now)
	}
	if target := c.servers.Target(); target != c.asked {
		c.asked = target
		c.held.endEra()
	}
	hash := xxhash.Sum64(id)
	if m.Op == codec.OpGet && c.stripe(hash).open > 0 {
		return c.servers.Submit(owner, m, now)
	}
	i, ok := c.tickets.take()
	if !ok {
		*c.full++
		return upstream.ErrFull
	}
	t := &c.tickets.table[i]
	*t = ticket{owner: owner, uid: m.UID, hash: hash, idLen: uint8(len(id))}
	copy(t.id[:], id)
	var err error
	if m.Op == codec.OpGet {
		err = c.submitGet(i, m, now)
	} else {
		err = c.submitWrite(i, m, now)
	}
	if err != nil {
		c.tickets.release(i)
	}
	return err
}

func (c *cache) submitGet(i int32, m *codec.Message, now time.Duration) error {
	t := &c.tickets.table[i]
	writes := c.count(t.hash)
	t.number = c.held.next()
	if !c.held.current(t.ID(), writes, now) {
		t.purpose, t.striped, t.era, t.writes = fetch, c.stripe(t.hash).writes, c.held.era, writes
		return c.servers.Submit(ticketOwner(i), m, now)
	}
	t.purpose = check
	m.Op = codec.OpHave
	codec.SetOp(m.Wire, codec.OpHave)
	err := c.servers.Submit(ticketOwner(i), m, now)
	m.Op = codec.OpGet
	if err != nil {
		codec.SetOp(m.Wire, codec.OpGet) // it may come again
	}
	return err
}

// submitWrite forwards an ADD or a REMOVE. The entry stays until the answer: a GET before it may still need it. So a new
// session has its place only where there is none.
func (c *cache) submitWrite(i int32, m *codec.Message, now time.Duration) error {
	t := &c.tickets.table[i]
	s := c.stripe(t.hash)
	t.purpose = remove
	if m.Op == codec.OpAdd {
		t.purpose = add
		t.placed = !c.held.current(t.ID(), c.count(t.hash), now) && s.open == 0
	}
	c.note(t.hash)
	if t.placed {
		c.held.placeAdd(m, c.held.next(), c.count(t.hash), now)
	}
	err := c.servers.Submit(ticketOwner(i), m, now)
	switch {
	case err == nil:
		s.writes++
		s.open++
	case t.placed:
		c.held.drop(t.ID(), now)
	}
	return err
}

// settle takes the answer to the request of t, and returns the one for the client, which lives until the next call. nil: there is
// none yet, because the entry was gone and the GET was sent. err says why that could not be sent; the answer is DISCONNECTED then.
func (c *cache) settle(t *ticket, wire []byte, now time.Duration) (answer []byte, err error) {
	s := c.stripe(t.hash)
	_, status := codec.Outcome(wire)
	brief := len(wire) == codec.HeaderSize+1
	switch t.purpose {
	case fetch:
		switch {
		case t.striped != s.writes || t.era != c.held.era || t.writes != c.count(t.hash): // the answer may be of before that
		case !brief:
			c.held.placeHit(t.ID(), wire, t.number, t.writes, now)
		case status == codec.StatusNotOK:
			c.held.drop(t.ID(), now)
		}
	case check:
		if !brief {
			status = codec.StatusDisconnected // no dc_server says so to a HAVE
		}
		return c.checked(t, status, now)
	case add, remove:
		s.open--
		if t.purpose == remove {
			c.note(t.hash) // another agent may have fetched it since
		}
		if !t.placed || !brief || status != codec.StatusOK {
			c.held.drop(t.ID(), now)
		}
	}
	return wire, nil
}

// checked makes the answer to a GET of the answer to a HAVE.
func (c *cache) checked(t *ticket, status codec.Status, now time.Duration) (wire []byte, err error) {
	session, found := c.held.find(t.ID(), t.number, now)
	switch {
	case status == codec.StatusOK && found:
		c.Counters.Hits++
		c.answer = codec.AppendMessage(c.answer[:0], codec.Response, t.uid, codec.OpGet, session)
		return c.answer, nil
	case status == codec.StatusOK:
		c.Counters.Again++
		if err = c.ask(t, now); err == nil {
			return nil, nil
		}
		status = codec.StatusDisconnected
	case status == codec.StatusNotOK:
		c.Counters.Gone++
		if found {
			c.held.drop(t.ID(), now)
		}
	}
	c.answer = codec.AppendStatus(c.answer[:0], t.uid, codec.OpGet, status)
	return c.answer, err
}

// ask sends a GET that was sent as a HAVE before.
func (c *cache) ask(t *ticket, now time.Duration) error {
	c.get.Wire = codec.AppendMessage(c.get.Wire[:0], codec.Request, t.uid, codec.OpGet, t.ID())
	c.get.UID, c.get.Op, c.get.PayloadLen = t.uid, codec.OpGet, int(t.idLen)
	return c.Submit(t.owner, &c.get, now)
}

func (c *cache) stripe(hash uint64) *stripe { return &c.stripes[hash%numStripes] }

// note tells the other agents of a write, and count is how many there were.
func (c *cache) note(hash uint64) {
	if c.writes != nil {
		c.writes.Note(hash)
	}
}

func (c *cache) count(hash uint64) uint32 {
	if c.writes == nil {
		return 0
	}
	return c.writes.Count(hash)
}

// wipe clears the last answer, which may be a session.
func (c *cache) wipe() { clear(c.answer) }

// stop ends the expiry of entries: the memory is about to be wiped as a whole.
func (c *cache) stop() { c.stopped = true }

// deadline is when expire is to be called next.
func (c *cache) deadline() time.Duration {
	if c.stopped {
		return deadline.Never
	}
	return c.held.deadline()
}
