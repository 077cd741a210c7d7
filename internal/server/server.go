package server

import (
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/store"
)

const (
	// readBuffer is how many bytes of a client's requests are read at a time.
	readBuffer = 64 << 10
	// expirePerCall is how many sessions are dropped in one go once their time is over:
	// few enough that no client notices.
	expirePerCall = 512
	// expirePause is the time between two such goes while many are due.
	expirePause = time.Millisecond
)

// Config sets what a Server does beside what the protocol says.
type Config struct {
	MinExpiry time.Duration // the flag -minexpiry; 0: none
}

// Observer is told what an operator may want to know.
type Observer interface {
	// ClientDropped is called when a client is ended for a fault of its own.
	ClientDropped(c int, why front.Reason, err error, now time.Duration)
	// Evicted is called when sessions had to go before their time to make room.
	Evicted(sessions int, now time.Duration)
}

// Server answers requests from a Store. Its Table is embedded: with it, a Server is an
// engine.Handler.
type Server struct {
	*front.Table
	config   Config
	store    store.Store
	warmer   warmer // store, if it is one
	observer Observer

	ids      [][]byte      // of the requests that one read brought
	in       []byte        // where clients' bytes are read
	payload  []byte        // a request's payload, when it came in several frames
	expireAt time.Duration // no Store.Expire before this

	// Counters counts what happened, since start.
	Counters Counters
}

// Counters are totals since start, beside those of the parts.
type Counters struct {
	Hits   uint64 // GETs answered with a session
	Misses uint64 // GETs answered NOTOK
}

// New makes a Server. pool holds what clients have sent of requests that are not whole.
func New(config Config, store store.Store, s front.Sockets, pool *buffer.Pool, o Observer) *Server {
	srv := &Server{
		config: config, store: store, observer: o,
		in:      make([]byte, readBuffer),
		payload: make([]byte, 0, codec.MaxPayload),
	}
	srv.warmer, _ = store.(warmer)
	srv.Table = front.NewTable(s, srv, pool, deadline.Never)
	return srv
}

// ReadInto gives the read buffer.
func (s *Server) ReadInto() []byte { return s.in }

// Request answers one request at once.
func (s *Server) Request(c int, m codec.Message, now time.Duration) front.Verdict {
	payload := m.Payload(s.payload)
	if m.Op == codec.OpGet {
		s.get(c, m, payload, now)
		return front.Taken
	}
	status := s.perform(m.Op, payload, now)
	s.Append(c, codec.AppendStatus(s.Batch(), m.UID, m.Op, status), now)
	return front.Taken
}

func (s *Server) get(c int, m codec.Message, id []byte, now time.Duration) {
	data, ok := s.store.View(id, now)
	if !ok {
		s.Counters.Misses++
		s.Append(c, codec.AppendStatus(s.Batch(), m.UID, m.Op, codec.StatusNotOK), now)
		return
	}
	s.Counters.Hits++
	s.Append(c, codec.AppendMessage(s.Batch(), codec.Response, m.UID, m.Op, data), now)
}

// perform does what is answered by a status. An id that cannot exist is not found:
// the Store has none such.
func (s *Server) perform(op codec.Op, payload []byte, now time.Duration) codec.Status {
	switch {
	case op == codec.OpAdd:
		return s.add(payload, now)
	case op == codec.OpRemove && s.store.Remove(payload, now),
		op == codec.OpHave && s.store.Have(payload, now):
		return codec.StatusOK
	}
	return codec.StatusNotOK
}

func (s *Server) add(payload []byte, now time.Duration) codec.Status {
	a, status := codec.ParseAdd(payload)
	if status != codec.StatusOK {
		return status
	}
	result := s.store.Add(a.ID, a.Data, max(a.Timeout, s.config.MinExpiry), now)
	if result.Evicted > 0 {
		s.observer.Evicted(result.Evicted, now)
	}
	switch result.Outcome {
	case store.Stored:
		return codec.StatusOK
	case store.Exists:
		return codec.StatusAddExists
	}
	return codec.StatusAddCorrupt // ParseAdd lets nothing through that a Store refuses
}

// Left has nothing to forget: every request is answered before the next event.
func (s *Server) Left(int) {}

// Dropped passes on that a client was ended for a fault of its own.
func (s *Server) Dropped(c int, why front.Reason, err error, now time.Duration) {
	s.observer.ClientDropped(c, why, err, now)
}

// TurnEnded has nothing to send: answers went out with the requests.
func (s *Server) TurnEnded(time.Duration) {}

// Deadline is when Expire is to be called next.
func (s *Server) Deadline() time.Duration {
	return min(s.Table.Deadline(), max(s.store.Deadline(), s.expireAt))
}

// Expire drops sessions and clients whose time is over.
func (s *Server) Expire(now time.Duration) {
	s.Table.Expire(now)
	if now >= s.expireAt && s.store.Expire(now, expirePerCall) > 0 {
		s.expireAt = now + expirePause
	}
}
