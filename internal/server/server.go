package server

import (
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/internal/front"
	"distcache/internal/store"
)

const (
	// window is how many requests a client may have open while the store is at work. A
	// dc_client has those of all its clients on one connection.
	window = 8192
	// expirePerCall is how many sessions are dropped in one go once their time is over:
	// few enough that no client notices.
	expirePerCall = 512
	// expirePause is the time between two such goes while many are due.
	expirePause = time.Millisecond
)

// Config sets what a Server does beside what the protocol says.
type Config struct {
	Idle      time.Duration // how long a client may stay without a request; deadline.Never: for ever
	MinExpiry time.Duration // the flag -minexpiry; 0: none
	Progress  uint64        // operations between two calls of Observer.Progress (the flag -progress); 0: none
}

// Observer is told what an operator may want to know.
type Observer interface {
	// ClientDropped is called when a client is closed for a fault of its own.
	ClientDropped(c int, why front.Reason, err error, now time.Duration)
	// Evicted is called when sessions had to go before their time, because the store was
	// full in that way.
	Evicted(sessions int, full store.Full, now time.Duration)
	// Progress is called after each Config.Progress operations. Probes do not count.
	Progress(operations uint64)
}

// Server answers requests from a Store.
type Server struct {
	config   Config
	front    *front.Front
	store    store.Store
	observer Observer

	ids      [][]byte      // of requests that are about to come
	payload  []byte        // a request's payload, when it came in several frames
	request  store.Request // the one under way
	expireAt time.Duration // no Store.Expire before this

	operations uint64

	// Counters counts what happened, since start.
	Counters Counters
}

// Counters are totals since start, beside those of the parts.
type Counters struct {
	Hits   uint64 // GETs answered with a session
	Misses uint64 // GETs answered NOTOK
	Probes uint64 // HAVEs of agents that asked whether the server answers
	// Life is how long the sessions of valid ADDs were to live, together, in ms.
	Life uint64
}

// New makes a Server. pool holds what clients have sent of requests that are not whole.
func New(config Config, st store.Store, s front.Sockets, pool *buffer.Pool, o Observer) *Server {
	srv := &Server{config: config, store: st, observer: o, payload: make([]byte, 0, codec.MaxPayload)}
	srv.front = front.New(front.Config{Window: window, Idle: config.Idle}, front.NewDistcache(), s, srv, pool)
	st.Serve(srv)
	return srv
}

// Front is where the clients' events go.
func (s *Server) Front() *front.Front { return s.front }

// Arriving announces to the store what is about to be looked up. A dc_client's read brings
// many requests: the memory that their sessions are in is then waited for together rather
// than one after the other.
func (s *Server) Arriving(all []front.Incoming) {
	ids := s.ids[:0]
	for i := range all {
		m := &all[i].Message
		if end := codec.HeaderSize + m.PayloadLen; m.Op != codec.OpAdd && len(m.Wire) == end && codec.ValidID(m.Wire[codec.HeaderSize:]) {
			ids = append(ids, m.Wire[codec.HeaderSize:])
		}
	}
	s.ids = ids
	s.store.Announce(ids)
	clear(ids)
}

// Request asks the store.
func (s *Server) Request(a front.Asker, m *codec.Message, now time.Duration) bool {
	r := &s.request
	r.Ticket, r.Op = store.Ticket{Client: a.Client, Seq: a.Seq, UID: m.UID}, m.Op
	payload := m.Payload(s.payload)
	r.ID = payload
	status := codec.StatusOK
	if m.Op == codec.OpAdd {
		var add codec.Add
		add, status = codec.ParseAdd(r.ID)
		r.ID, r.Data, r.TTL = add.ID, add.Data, max(add.Timeout, s.config.MinExpiry)
	}
	probe := codec.IsProbe(m.Op, r.ID)
	if m.Op == codec.OpAdd && status == codec.StatusOK {
		s.Counters.Life += uint64(r.TTL / time.Millisecond)
		s.front.Counters.Added(r.TTL)
	}
	if status == codec.StatusOK {
		s.store.Do(r, now)
	} else {
		s.Answer(r.Ticket, r.Op, status, nil, now)
	}
	if len(m.Wire) > codec.HeaderSize+len(payload) { // it is a copy, of several frames
		clear(payload)
	}
	if probe {
		s.Counters.Probes++
		return true
	}
	if s.operations++; s.config.Progress > 0 && s.operations%s.config.Progress == 0 {
		s.observer.Progress(s.operations)
	}
	return true
}

// Answer sends the store's answer to the client.
func (s *Server) Answer(t store.Ticket, op codec.Op, status codec.Status, data []byte, now time.Duration) {
	s.front.Counters.Answers[op][status.Index()]++
	a := front.Asker{Client: t.Client, Seq: t.Seq}
	batch := s.front.Batch(a, now)
	if op == codec.OpGet && status == codec.StatusOK {
		s.Counters.Hits++
		batch = codec.AppendMessage(batch, codec.Response, t.UID, op, data)
	} else {
		if op == codec.OpGet && status == codec.StatusNotOK {
			s.Counters.Misses++
		}
		batch = codec.AppendStatus(batch, t.UID, op, status)
	}
	s.front.Append(a, batch, now)
}

// Evicted passes on that sessions had to go before their time.
func (s *Server) Evicted(sessions int, full store.Full, now time.Duration) {
	s.observer.Evicted(sessions, full, now)
}

// Dropped passes on that a client was closed for a fault of its own.
func (s *Server) Dropped(c int, why front.Reason, err error, now time.Duration) {
	s.observer.ClientDropped(c, why, err, now)
}

// TurnEnded sends what the turn has gathered, to the store and to clients.
func (s *Server) TurnEnded(now time.Duration) {
	s.store.Flush(now)
	s.front.TurnEnded(now)
}

// Deadline is when Expire is to be called next.
func (s *Server) Deadline() time.Duration {
	return min(s.front.Deadline(), max(s.store.Deadline(), s.expireAt))
}

// Expire drops sessions and clients whose time is over.
func (s *Server) Expire(now time.Duration) {
	s.front.Expire(now)
	if now >= s.expireAt && s.store.Expire(now, expirePerCall) > 0 {
		s.expireAt = now + expirePause
	}
}
