package proxy

import (
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/internal/dialog"
	"distcache/upstream"
)

// FirstWait is how long requests may wait for the very first connection to dc_server;
// from then on a request that finds no connection is answered at once.
const FirstWait = 250 * time.Millisecond

// Config sets a Proxy's limits and times.
type Config struct {
	Mux       upstream.MuxConfig
	Link      upstream.LinkConfig
	Idle      time.Duration // the flag -idle; deadline.Never: none
	MinExpiry time.Duration // the flag -minexpiry; 0: none
}

// Observer is told what an operator may want to know.
type Observer interface {
	upstream.Watcher
	// ClientDropped is called when a client is ended for a fault of its own.
	ClientDropped(c int, why dialog.Reason, err error, now time.Duration)
}

// Proxy joins the clients' dialogs with the connection to dc_server. Its Table is
// embedded: with it, a Proxy is an engine.Handler.
type Proxy struct {
	*dialog.Table
	mux      *upstream.Mux
	link     *upstream.Link
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

// New makes a Proxy that does nothing until Start. pool holds what clients have sent
// of requests that are not whole.
func New(config Config, s dialog.Sockets, pool *buffer.Pool, t upstream.Transport, o Observer) *Proxy {
	p := &Proxy{config: config, observer: o}
	p.Table = dialog.NewTable(s, p, pool, config.Idle)
	p.mux = upstream.NewMux(config.Mux, p)
	p.link = upstream.NewLink(config.Link, p.mux, t, p)
	return p
}

// Link is the connection, for the Transport to report to.
func (p *Proxy) Link() *upstream.Link { return p.link }

// Mux is what is in flight.
func (p *Proxy) Mux() *upstream.Mux { return p.mux }

// Start begins to connect.
func (p *Proxy) Start(now time.Duration) {
	p.waiting, p.waitEnds = true, now+FirstWait
	p.link.Start(now)
}

// Stop ends the connection; what is in flight is answered DISCONNECTED.
func (p *Proxy) Stop(now time.Duration) { p.link.Stop(now) }

// ReadInto gives the end of the batch: a request that comes whole is where it is sent from.
func (p *Proxy) ReadInto() []byte { return p.mux.Tail() }

// Request forwards one request, or answers it here.
func (p *Proxy) Request(c int, m codec.Message, now time.Duration) dialog.Verdict {
	if m.Op == codec.OpAdd {
		if m.PayloadLen < codec.AddOverhead {
			p.Counters.ShortAdds++
			p.status(c, m, codec.StatusAddCorrupt, now)
			return dialog.Taken
		}
		codec.RaiseTimeout(m.Wire, p.config.MinExpiry)
	}
	switch {
	case p.link.State() == upstream.Up:
		p.forward(c, m, now)
	case p.waiting:
		p.parked = append(p.parked, c)
		p.remember(c, notForwarded)
		return dialog.Later
	default:
		p.Counters.Unavailable++
		p.status(c, m, codec.StatusDisconnected, now)
	}
	return dialog.Taken
}

func (p *Proxy) forward(c int, m codec.Message, now time.Duration) {
	ticket, err := p.mux.Submit(c, m, now)
	if err != nil {
		p.status(c, m, codec.StatusDisconnected, now)
		return
	}
	p.remember(c, ticket)
	p.link.RequestTaken()
}

// notForwarded stands for the ticket of a request that is parked.
const notForwarded upstream.Ticket = -1

func (p *Proxy) remember(c int, ticket upstream.Ticket) {
	for len(p.tickets) <= c {
		p.tickets = append(p.tickets, make([]upstream.Ticket, c+1-len(p.tickets))...)
	}
	p.tickets[c] = ticket
}

// status answers m here.
func (p *Proxy) status(c int, m codec.Message, s codec.Status, now time.Duration) {
	p.Append(c, codec.AppendStatus(p.Batch(), m.UID, m.Op, s), now)
}

// Left forgets the open request of a client that left. One that was parked stays in the
// list: Retry passes over clients that are not parked.
func (p *Proxy) Left(c int) {
	if ticket := p.tickets[c]; ticket != notForwarded {
		p.mux.Abandon(ticket)
	}
}

// Dropped passes on that a client was ended for a fault of its own.
func (p *Proxy) Dropped(c int, why dialog.Reason, err error, now time.Duration) {
	p.observer.ClientDropped(c, why, err, now)
}

// LinkChanged ends the wait for the very first connection, which is over when it is
// there and when it failed.
func (p *Proxy) LinkChanged(from, to upstream.State, why error, now time.Duration) {
	p.observer.LinkChanged(from, to, why, now)
	if to == upstream.Up || to == upstream.Down {
		p.endWait(now)
	}
}

// retriesPerCall bounds how long asking again keeps the loop from its clients.
const retriesPerCall = 512

// endWait asks again for those that waited; when they are many, Deadline stays in the past
// and the rest follow.
func (p *Proxy) endWait(now time.Duration) {
	p.waiting = false
	some := p.parked[:min(len(p.parked), retriesPerCall)]
	p.parked = p.parked[len(some):]
	for _, c := range some {
		p.Retry(c, now)
	}
	if len(p.parked) == 0 {
		p.parked = nil
	}
}

// TurnEnded sends what the turn has gathered.
func (p *Proxy) TurnEnded(now time.Duration) { p.link.Flush(now) }

// Deadline is when Expire is to be called next.
func (p *Proxy) Deadline() time.Duration {
	next := min(p.Table.Deadline(), p.mux.Deadline(), p.link.Deadline())
	switch {
	case p.waiting:
		next = min(next, p.waitEnds)
	case len(p.parked) > 0:
		next = 0
	}
	return next
}

// Expire does what is due. The link comes first: when it is lost, its requests need
// not time out one by one. Nor do they before the answers that are here have been read:
// their Deadline stays in the past until then.
func (p *Proxy) Expire(now time.Duration) {
	p.link.Expire(now)
	if !p.link.MoreWaits() {
		p.mux.Expire(now)
	}
	p.Table.Expire(now)
	if len(p.parked) > 0 && !p.waiting || p.waiting && p.waitEnds <= now {
		p.endWait(now)
	}
}
