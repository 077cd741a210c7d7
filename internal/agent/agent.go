package agent

import (
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/internal/store"
	"distcache/upstream"
)

// drainLimit is how long requests at a server that was left may take to be answered.
// Config.Server.Timeout is the limit when it is shorter. What is left then is answered DISCONNECTED.
const drainLimit = 10 * time.Second

// Config sets an Agent's limits and times.
type Config struct {
	Server    upstream.Config // of each server
	Spread    bool            // the session ID chooses the server; see upstream.Servers
	Window    int             // requests that a client may have in flight; see front.Config
	Gets      int             // of those, GETs
	Idle      time.Duration   // the flag -idle; deadline.Never: none
	MinExpiry time.Duration   // the flag -minexpiry; 0: none
	// Cache holds copies of sessions that came through here; see cache. nil: there is no cache.
	Cache *store.Memory
	// Writes is shared by the agents of a process that have a Cache; nil: there is one.
	Writes Writes
	// Several tells that there can be more than one server, even where there is one now.
	Several bool
	// Name tells, for the status page, how a server of the list is shown; nil: it does not.
	Name func(name string) string
	// Addresses tells how many addresses of one IP version the name of dc_server has; nil: it does not.
	Addresses func() int
}

// Observer is told what an operator may want to know.
type Observer interface {
	// ServingChanged is called when another server serves than before; see upstream.Overseer.
	ServingChanged(from, to *upstream.Member, now time.Duration)
	// ClientDropped is called when a client is closed that did not ask for it.
	ClientDropped(c int, why front.Reason, err error, now time.Duration)
}

// submitter forwards a request to dc_server; see upstream.Servers.Submit.
type submitter interface {
	Submit(owner upstream.Owner, m *codec.Message, now time.Duration) error
}

// Agent joins the fronts that clients come through with the dc_servers that answer.
type Agent struct {
	config    Config
	fronts    []*front.Front
	memcached []*memcached.Wire          // of those that speak it
	refusal   [codec.HeaderSize + 1]byte // an answer that is given here
	datagrams *front.Datagrams           // nil: none
	servers   *upstream.Servers
	cache     *cache    // nil: none
	way       submitter // the cache, if there is one, else the servers
	observer  Observer
	link      linkFacts
	figures   upstream.Figures // of all servers together

	started  bool
	waiting  bool // for a connection, until waitEnds
	waitEnds time.Duration
	parked   []front.Asker // whose requests wait for it, or for their turn after that

	// Counters counts what happened, since start.
	Counters Counters
}

// Counters are totals since start, beside those of the parts.
type Counters struct {
	Unavailable uint64 // requests answered DISCONNECTED because there was no connection
	ShortAdds   uint64 // ADDs answered here, that an old dc_server would take for an attack
}

// New makes an Agent without a server, that does nothing until Start. Arrange gives it servers, and AddFront
// clients.
func New(config Config, o Observer) *Agent {
	a := &Agent{config: config, observer: o}
	a.servers = upstream.NewServers(upstream.ServersConfig{
		Spread: config.Spread, Retry: config.Server.Retry, Random: config.Server.Random,
		Drain: min(drainLimit, config.Server.Timeout),
	}, a, a)
	a.way = a.servers
	if config.Cache != nil {
		a.cache = newCache(config.Cache, config.Writes, a.servers, &a.figures.Mux.Full)
		a.way = a.cache
	}
	return a
}

// AddFront makes a front for the clients of s, which speak w. pool holds what they have sent
// of requests that are not whole. They are read into the batch: a request that comes whole is where it is
// sent from.
func (a *Agent) AddFront(w front.Wire, s front.Sockets, pool *buffer.Pool) *front.Front {
	return a.addFront(front.Config{Window: a.config.Window, Idle: a.config.Idle, In: a.servers, Yields: true}, w, s, pool)
}

// AddMemcached makes a front for the clients of s, which speak memcached's protocols. Such clients
// suffer when a connection ends, and may take dc_client for dead then: it is idle for leastIdle at
// least, does not make room for another one, and none is closed with a part of an answer written.
func (a *Agent) AddMemcached(w *memcached.Wire, s front.Sockets, pool *buffer.Pool) *front.Front {
	config := front.Config{Window: min(a.config.Window, memcached.Window), Idle: max(a.config.Idle, leastIdle), Patient: true, Foreign: w}
	a.memcached = append(a.memcached, w)
	return a.addFront(config, w, s, pool)
}

// leastIdle is the least idle time of clients that speak memcached's protocols: Apache itself
// leaves a connection after 15 s, others never.
const leastIdle = time.Minute

func (a *Agent) addFront(config front.Config, w front.Wire, s front.Sockets, pool *buffer.Pool) *front.Front {
	config.Index, config.Gets, config.Ordered = uint8(len(a.fronts)), a.config.Gets, true
	f := front.New(config, w, s, a, pool)
	a.fronts = append(a.fronts, f)
	return f
}

// AddDatagrams makes what answers the datagrams of stunnel, through s. honours tells that its removals
// are sent on.
func (a *Agent) AddDatagrams(s front.Sender, honours bool) *front.Datagrams {
	a.datagrams = front.NewDatagrams(s, a, honours)
	return a.datagrams
}

// MakeRoom closes a client that is idle, so that another one can come, of whichever front; see
// front.Front.MakeRoom.
func (a *Agent) MakeRoom(hangUp func(c int) bool, now time.Duration) bool {
	for _, f := range a.fronts {
		if f.MakeRoom(hangUp, now) {
			return true
		}
	}
	return false
}

// Busy is the number of clients with something under way.
func (a *Agent) Busy() int {
	n := 0
	for _, f := range a.fronts {
		n += f.Busy()
	}
	if a.datagrams != nil {
		n += a.datagrams.Open()
	}
	return n
}

// Start begins to connect.
func (a *Agent) Start(now time.Duration) {
	a.started, a.waiting, a.waitEnds = true, true, now+FirstWait
	a.servers.Start(now)
}

// Stop ends the connection; requests in flight are answered DISCONNECTED.
func (a *Agent) Stop(now time.Duration) {
	a.servers.Stop(now)
	for a.waiting || len(a.parked) > 0 {
		a.endWait(now) // there is nothing to wait for any more
	}
	for _, f := range a.fronts {
		f.TurnEnded(now)
	}
	if a.cache != nil {
		a.cache.stop()
	}
}

// Arriving does nothing: only dc_server looks ahead.
func (a *Agent) Arriving([]front.Incoming) {}

// Request forwards one request, or answers it here. false: it waits for a connection, and will come again (Front.Retry), so
// what counts requests belongs behind that.
func (a *Agent) Request(asker front.Asker, m *codec.Message, now time.Duration) bool {
	if m.Op == codec.OpAdd {
		if m.PayloadLen < codec.AddOverhead {
			a.Counters.ShortAdds++
			a.refuse(asker, m, codec.StatusAddCorrupt, now)
			return true
		}
		codec.RaiseTimeout(m.Wire, a.config.MinExpiry)
	}
	err := a.way.Submit(upstream.Owner(asker), m, now)
	if err == upstream.ErrNotUp && a.waits(now) {
		a.parked = append(a.parked, asker)
		return false // it will come again
	}
	if m.Op == codec.OpAdd {
		a.fronts[asker.Front].Counters.Added(codec.AddTimeout(m.Wire))
	}
	if err == nil {
		return true
	}
	if err == upstream.ErrNotUp {
		a.Counters.Unavailable++
	}
	a.refuse(asker, m, codec.StatusDisconnected, now)
	return true
}

// Forward sends on a request that came in a datagram. It reports false when that cannot be done now:
// such a request does not wait for the very first connection.
func (a *Agent) Forward(asker front.Asker, m *codec.Message, now time.Duration) bool {
	if m.Op == codec.OpAdd {
		codec.RaiseTimeout(m.Wire, a.config.MinExpiry)
		a.datagrams.Asked.Added(codec.AddTimeout(m.Wire))
	}
	err := a.way.Submit(upstream.Owner(asker), m, now)
	if err == nil {
		return true
	}
	if err == upstream.ErrNotUp {
		a.Counters.Unavailable++
	}
	a.datagrams.Asked.Answers[m.Op][codec.StatusDisconnected.Index()]++
	return false
}

// refuse answers m here.
func (a *Agent) refuse(asker front.Asker, m *codec.Message, s codec.Status, now time.Duration) {
	f := a.fronts[asker.Front]
	f.Counters.Answers[m.Op][s.Index()]++
	f.Batch(asker, now) // first: it may go on with another client, whose request is refused too
	f.Answer(asker, codec.AppendStatus(a.refusal[:0], m.UID, m.Op, s), now)
}

// Answer implements upstream.Answers: it brings the answer to the front that its client came through.
func (a *Agent) Answer(owner upstream.Owner, wire []byte, now time.Duration) bool {
	op, status := codec.Outcome(wire) // before a client asks again from within
	answered, counters := false, (*front.Counters)(nil)
	switch owner.Front {
	case cacheIndex:
		return a.settle(owner.Client, wire, now)
	case front.DatagramIndex:
		answered, counters = a.datagrams.Answer(front.Asker(owner), wire, now), &a.datagrams.Asked
	default:
		f := a.fronts[owner.Front]
		answered, counters = f.Answer(front.Asker(owner), wire, now), &f.Counters
	}
	if !answered {
		return false
	}
	counters.Answers[op][status.Index()]++
	return true
}

// settle brings the answer to a request of the cache to the client that asked.
func (a *Agent) settle(ticket int32, wire []byte, now time.Duration) bool {
	t := a.cache.tickets.release(ticket)
	wire, err := a.cache.settle(&t, wire, now)
	if wire == nil {
		return true // dc_server was asked again
	}
	if err == upstream.ErrNotUp {
		a.Counters.Unavailable++
	}
	answered := a.Answer(t.owner, wire, now)
	a.cache.wipe()
	return answered
}

// Dropped passes on that a client was closed that did not ask for it.
func (a *Agent) Dropped(c int, why front.Reason, err error, now time.Duration) {
	a.observer.ClientDropped(c, why, err, now)
}

// TurnEnded sends what the turn has gathered: answers first, since their clients may ask
// again.
func (a *Agent) TurnEnded(now time.Duration) {
	for _, f := range a.fronts {
		f.TurnEnded(now)
	}
	a.servers.Flush(now)
}

// Deadline is when Expire is to be called next.
func (a *Agent) Deadline() time.Duration {
	next := a.servers.Deadline()
	if a.cache != nil {
		next = min(next, a.cache.deadline())
	}
	for _, f := range a.fronts {
		next = min(next, f.Deadline())
	}
	switch {
	case a.waiting:
		next = min(next, a.waitEnds)
	case len(a.parked) > 0:
		next = 0
	}
	return next
}

// Expire does what is due.
func (a *Agent) Expire(now time.Duration) {
	a.servers.Expire(now)
	if a.cache != nil {
		a.cache.held.expire(now)
	}
	for _, f := range a.fronts {
		f.Expire(now)
	}
	if len(a.parked) > 0 && !a.waiting || a.waiting && a.waitEnds <= now {
		a.endWait(now)
	}
}
