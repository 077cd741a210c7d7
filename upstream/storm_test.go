package upstream

import (
	"container/heap"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// storm is a site of hosts in virtual time, each with the real Servers, Links and probes of a dc_client. It shows what happens to
// dc_server when all of them lose their connection, or begin, at the same instant.
type storm struct {
	now    time.Duration
	events agenda
	count  int // of events so far: of two at one time the first comes first
	caches []*stormCache
	hosts  []*stormHost
}

const (
	stormRetry     = 5 * time.Second // the default of -retry
	stormTrip      = 100 * time.Microsecond
	stormClients   = 2048 // engine.MaxSecure
	stormHandshake = 1024 // at the same time: engine's maxHandshakes
)

// newStorm is so many hosts which are about to begin, and one dc_server or more, in the order of preference. A handshake takes
// cost of the processor of dc_server; 0: there is no TLS. Without jitter all hosts draw the same numbers.
func newStorm(hosts, caches int, cost time.Duration, jitter bool) *storm {
	s := &storm{}
	for range caches {
		s.caches = append(s.caches, &stormCache{storm: s, cost: cost, up: true})
	}
	for i := range hosts {
		h := &stormHost{storm: s, random: rand.New(rand.NewPCG(uint64(i), 0)), jitter: jitter}
		h.servers = NewServers(ServersConfig{Retry: stormRetry, Drain: 200 * ms, Random: h.draw}, h, h)
		names := []string{"cache1", "cache2", "cache3"}[:caches]
		h.servers.Arrange(names, func(name string) Spec {
			w := &stormWire{host: h, cache: s.caches[int(name[5]-'1')]}
			w.cache.wires = append(w.cache.wires, w)
			return Spec{Name: name, Transport: w, Config: Config{MaxInFlight: 1, MaxBatch: 1 << 10, Timeout: 200 * ms, Retry: stormRetry, Random: h.draw}}
		}, 0)
		s.hosts = append(s.hosts, h)
	}
	return s
}

// start lets some of the hosts begin now.
func (s *storm) start(hosts []*stormHost) {
	for _, h := range hosts {
		h.servers.Start(s.now)
		h.watch()
	}
}

// at has fn called at a time.
func (s *storm) at(when time.Duration, fn func()) {
	s.count++
	heap.Push(&s.events, entry{when, s.count, fn})
}

// run lets time pass until done, and reports whether that came within the limit.
func (s *storm) run(limit time.Duration, done func() bool) bool {
	for s.events.Len() > 0 && s.events[0].at <= limit {
		e := heap.Pop(&s.events).(entry)
		s.now = e.at
		e.do()
		if done() {
			return true
		}
	}
	s.now = max(s.now, limit)
	return done()
}

// entry is something to be done at a time.
type entry struct {
	at    time.Duration
	order int
	do    func()
}

// agenda has the next one first.
type agenda []entry

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].order < a[j].order
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(e any)   { *a = append(*a, e.(entry)) }
func (a *agenda) Pop() any {
	last := (*a)[len(*a)-1]
	*a = (*a)[:len(*a)-1]
	return last
}

// stormHost is a host with its dc_client.
type stormHost struct {
	storm   *storm
	servers *Servers
	random  *rand.Rand
	jitter  bool
	due     time.Duration // when it is called next; 0: not yet known
}

func (h *stormHost) draw(b []byte) {
	for i := range b {
		b[i] = byte(h.random.Uint32())
	}
	if len(b) == 8 && !h.jitter {
		binary.BigEndian.PutUint64(b, 0)
	}
}

// Answer, MemberChanged and ServingChanged implement Answers and Overseer.
func (h *stormHost) Answer(Owner, []byte, time.Duration) bool     { return true }
func (h *stormHost) ServingChanged(_, _ *Member, _ time.Duration) {}

func (h *stormHost) MemberChanged(m *Member, from, to State, _ error, _ time.Duration) {
	c := h.storm.caches[m.Name()[5]-'1']
	if to == Up {
		c.serves++
	} else if from == Up {
		c.serves--
	}
}

// watch calls the host when something is due.
func (h *stormHost) watch() {
	due := h.servers.Deadline()
	if due == deadline.Never || due == h.due {
		return
	}
	h.due = due
	h.storm.at(max(due, h.storm.now), func() {
		if h.due == due {
			h.due = 0
			h.act(func() { h.servers.Expire(h.storm.now) })
		}
	})
}

// act lets something happen on the host.
func (h *stormHost) act(fn func()) {
	fn()
	h.servers.Flush(h.storm.now)
	h.watch()
}

// stormCache is a dc_server: one loop, which computes one handshake after the other.
type stormCache struct {
	storm    *storm
	cost     time.Duration
	up       bool
	wires    []*stormWire // one of each host
	taken    int          // of these: connections, and those in the handshake
	shaking  int
	serves   int           // those that have answered the probe
	freeAt   time.Duration // when the handshakes that have come are done
	attempts []time.Duration
	refused  int // over the limits of TLS
}

// stop ends it: all connections are lost, and there is nobody to connect to.
func (c *stormCache) stop() {
	c.up = false
	for _, w := range c.wires {
		if w.taken {
			w.later(0, func() { w.link.Broken(ErrClosed, c.storm.now) })
		}
	}
}

// arrive is an attempt that has reached it.
func (c *stormCache) arrive(w *stormWire) {
	c.attempts = append(c.attempts, c.storm.now)
	full := c.cost > 0 && (c.taken >= stormClients || c.shaking >= stormHandshake)
	if full && c.up {
		c.refused++
	}
	if !c.up || full {
		w.later(stormTrip, func() { w.link.Broken(ErrClosed, c.storm.now) })
		return
	}
	w.taken, w.shaking = true, true
	c.taken++
	c.shaking++
	c.freeAt = max(c.freeAt, c.storm.now) + c.cost
	w.later(c.freeAt-c.storm.now+stormTrip, func() {
		w.shaking = false
		c.shaking--
		w.link.Connected(c.storm.now)
	})
}

// stormWire is the Transport between a host and a dc_server.
type stormWire struct {
	host  *stormHost
	cache *stormCache
	link  *Link
	life  int // of the connection or attempt: what was meant for an earlier one does not happen

	taken, shaking bool // by dc_server; in the handshake
}

// later does fn unless the connection has ended by then.
func (w *stormWire) later(in time.Duration, fn func()) {
	life := w.life
	w.cache.storm.at(w.cache.storm.now+in, func() {
		if w.life == life {
			w.host.act(fn)
		}
	})
}

// Drive, Dial, Write and Close implement Transport.
func (w *stormWire) Drive(l *Link) { w.link = l }
func (w *stormWire) Dial()         { w.later(stormTrip, func() { w.cache.arrive(w) }) }

func (w *stormWire) Close() {
	w.life++
	if w.shaking {
		w.cache.shaking--
	}
	if w.taken {
		w.cache.taken--
	}
	w.taken, w.shaking = false, false
}

// Write has the probes in b answered.
func (w *stormWire) Write(b []byte) (int, error) {
	var requests codec.Assembler
	for rest := b; len(rest) > 0; {
		m, err := requests.Next(rest)
		if err != nil {
			panic("a host has written half a request")
		}
		rest = rest[len(m.Wire):]
		answer := codec.AppendStatus(nil, m.UID, m.Op, codec.StatusNotOK)
		w.later(2*stormTrip, func() { w.link.Received(copy(w.link.Buffer(), answer), w.cache.storm.now) })
	}
	return len(b), nil
}

// TestStormHasItsOwnClock: what the simulation is built on does what it is for.
func TestStormHasItsOwnClock(t *testing.T) {
	s := newStorm(3, 1, ms, true)
	s.start(s.hosts)
	if !s.run(time.Second, func() bool { return s.caches[0].serves == 3 }) || s.now < 3*ms || s.now > 10*ms {
		t.Errorf("got %d of 3 hosts served after %v, want all once three handshakes of 1 ms are done", s.caches[0].serves, s.now)
	}
	s.caches[0].stop()
	if s.run(time.Minute, func() bool { return s.caches[0].serves == 0 && len(s.caches[0].attempts) >= 60 }); s.caches[0].serves > 0 || len(s.caches[0].attempts) < 40 {
		t.Errorf("got %d hosts served and %d attempts without a dc_server, want none, and an attempt every few seconds", s.caches[0].serves, len(s.caches[0].attempts))
	}
}
