package agent

import (
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/internal/front"
	"distcache/upstream"
)

// FirstWait is how long requests may wait for the very first connection to dc_server;
// from then on a request that finds no connection is answered at once.
const FirstWait = 250 * time.Millisecond

// Config sets a Agent's limits and times.
type Config struct {
	Server    upstream.Config
	Idle      time.Duration // the flag -idle; deadline.Never: none
	MinExpiry time.Duration // the flag -minexpiry; 0: none
}

// Observer is told what an operator may want to know.
type Observer interface {
	upstream.Watcher
	// ClientDropped is called when a client is ended for a fault of its own.
	ClientDropped(c int, why front.Reason, err error, now time.Duration)
}

// Agent joins the clients' dialogs with the connection to dc_server. Its Table is
// embedded: with it, a Agent is an engine.Handler.
type Agent struct {
	*front.Table
	server   *upstream.Server
	config   Config
	observer Observer

	tickets  []upstream.Ticket // by client: its request in flight
	waiting  bool              // for the very first connection, until waitEnds
	waitEnds time.Duration
	parked   []int // clients whose requests wait for it, or for their turn after that

	// Counters counts what happened, since start.
	Counters Counters
}

// Counters are totals since start, beside those of the parts.
type Counters struct {
	Unavailable uint64 // requests answered DISCONNECTED because there was no connection
	ShortAdds   uint64 // ADDs answered here, that an old dc_server would take for an attack
}

// New makes a Agent that does nothing until Start. pool holds what clients have sent
// of requests that are not whole.
func New(config Config, s front.Sockets, pool *buffer.Pool, t upstream.Transport, o Observer) *Agent {
	a := &Agent{config: config, observer: o}
	a.Table = front.NewTable(s, a, pool, config.Idle)
	a.server = upstream.New(config.Server, t, a, a)
	return a
}

// Link is the connection, for the Transport to report to.
func (a *Agent) Link() *upstream.Link { return a.server.Link() }

// Mux is what is in flight.
func (a *Agent) Mux() *upstream.Mux { return a.server.Mux() }

// Start begins to connect.
func (a *Agent) Start(now time.Duration) {
	a.waiting, a.waitEnds = true, now+FirstWait
	a.server.Start(now)
}

// Stop ends the connection; what is in flight is answered DISCONNECTED.
func (a *Agent) Stop(now time.Duration) { a.server.Stop(now) }

// ReadInto gives the end of the batch: a request that comes whole is where it is sent from.
func (a *Agent) ReadInto() []byte { return a.server.Tail() }

// Request forwards one request, or answers it here.
func (a *Agent) Request(c int, m codec.Message, now time.Duration) front.Verdict {
	if m.Op == codec.OpAdd {
		if m.PayloadLen < codec.AddOverhead {
			a.Counters.ShortAdds++
			a.status(c, m, codec.StatusAddCorrupt, now)
			return front.Taken
		}
		codec.RaiseTimeout(m.Wire, a.config.MinExpiry)
	}
	switch {
	case a.server.State() == upstream.Up:
		a.forward(c, m, now)
	case a.waiting:
		a.parked = append(a.parked, c)
		a.remember(c, notForwarded)
		return front.Later
	default:
		a.Counters.Unavailable++
		a.status(c, m, codec.StatusDisconnected, now)
	}
	return front.Taken
}

func (a *Agent) forward(c int, m codec.Message, now time.Duration) {
	ticket, err := a.server.Submit(c, m, now)
	if err != nil {
		a.status(c, m, codec.StatusDisconnected, now)
		return
	}
	a.remember(c, ticket)
}

// notForwarded stands for the ticket of a request that is parked.
const notForwarded upstream.Ticket = -1

func (a *Agent) remember(c int, ticket upstream.Ticket) {
	for len(a.tickets) <= c {
		a.tickets = append(a.tickets, make([]upstream.Ticket, c+1-len(a.tickets))...)
	}
	a.tickets[c] = ticket
}

// status answers m here.
func (a *Agent) status(c int, m codec.Message, s codec.Status, now time.Duration) {
	a.Append(c, codec.AppendStatus(a.Batch(), m.UID, m.Op, s), now)
}

// Left forgets the open request of a client that left. One that was parked stays in the
// list: Retry passes over clients that are not parked.
func (a *Agent) Left(c int) {
	if ticket := a.tickets[c]; ticket != notForwarded {
		a.server.Abandon(ticket)
	}
}

// Dropped passes on that a client was ended for a fault of its own.
func (a *Agent) Dropped(c int, why front.Reason, err error, now time.Duration) {
	a.observer.ClientDropped(c, why, err, now)
}

// LinkChanged ends the wait for the very first connection, which is over when it is
// there and when it failed.
func (a *Agent) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	a.observer.LinkChanged(from, to, why, now)
	if to == upstream.Up || to == upstream.Down {
		a.endWait(now)
	}
}

// retriesPerCall bounds how long asking again keeps the loop from its clients.
const retriesPerCall = 512

// endWait asks again for those that waited; when they are many, Deadline stays in the past
// and the rest follow.
func (a *Agent) endWait(now time.Duration) {
	a.waiting = false
	some := a.parked[:min(len(a.parked), retriesPerCall)]
	a.parked = a.parked[len(some):]
	for _, c := range some {
		a.Retry(c, now)
	}
	if len(a.parked) == 0 {
		a.parked = nil
	}
}

// TurnEnded sends what the turn has gathered.
func (a *Agent) TurnEnded(now time.Duration) { a.server.Flush(now) }

// Deadline is when Expire is to be called next.
func (a *Agent) Deadline() time.Duration {
	next := min(a.Table.Deadline(), a.server.Deadline())
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
	a.server.Expire(now)
	a.Table.Expire(now)
	if len(a.parked) > 0 && !a.waiting || a.waiting && a.waitEnds <= now {
		a.endWait(now)
	}
}
