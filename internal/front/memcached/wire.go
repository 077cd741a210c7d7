package memcached

import (
	"bytes"
	"time"

	"distcache/codec"
	"distcache/codec/memcached"
	"distcache/engine/buffer"
	"distcache/internal/front"
)

// maxKept is how many bytes of values are kept for the open sets of one client, for the case that
// their IDs exist. A further set waits; a single one may be longer.
const maxKept = 64 << 10

// Config sets what a Wire does beside what the protocol says.
type Config struct {
	Gets          int          // front.Config.Gets
	IgnoreRemoves bool         // the flag -remove
	UnixNow       func() int64 // the time of the wall clock, in seconds
	Uptime        func() time.Duration
	PID           int

	// Share tells the counters to the other event loops, and Sum gives the counters of all loops,
	// and how many there are: what a client asks for is of them all.
	Share func(own *Counters)
	Sum   func() (sum Counters, loops int)
}

// Wire is the Translator of one Front.
type Wire struct {
	config Config
	pool   *buffer.Pool // for the values of open sets
	conns  []conn
	free   []*ring // of clients that have no request open
	shares int     // requests since the start; every shareEvery of them the counters are told

	// What Next has found last.
	request memcached.Request
	kind    kind
	step    front.Step
	id      []byte
	payload []byte
	message []byte // the request in distcache's form; Wipe wipes it
	removal []byte // the REMOVE of Replace; the Front wipes it

	// Counters counts what happened, since start.
	Counters Counters
}

// conn is what is known of a client.
type conn struct {
	known  bool // its first byte has come
	binary bool
	inKeys bool // the rest of a get's keys comes next
	cas    bool // of that get
	skip   int64
	open   int   // requests in the ring
	sets   int   // of those, sets that are kept
	kept   int   // bytes of these
	ring   *ring // nil: none is open
}

// New makes the Wire of a Front. pool holds values while their sets are open.
func New(config Config, pool *buffer.Pool) *Wire {
	return &Wire{config: config, pool: pool, id: make([]byte, 0, codec.MaxIDLen), payload: make([]byte, 0, codec.MaxPayload),
		message: make([]byte, 0, codec.MaxMessageSize), removal: make([]byte, 0, codec.FrameSize)}
}

// Part is 0: an answer may be read in any way.
func (w *Wire) Part([]byte) int { return 0 }

// Opened enters a client.
func (w *Wire) Opened(c int) {
	for len(w.conns) <= c {
		w.conns = append(w.conns, make([]conn, c+1-len(w.conns))...)
	}
	w.conns[c] = conn{}
	w.Counters.Connections++
	w.Counters.Open++
	w.share()
}

// Closed forgets a client.
func (w *Wire) Closed(c int) {
	s := &w.conns[c]
	if s.ring != nil {
		s.ring.clear(w.pool)
		w.free = append(w.free, s.ring)
	}
	*s = conn{}
	w.Counters.Open--
	w.share()
}

// Name is “memcached”.
func (w *Wire) Name() string { return "memcached" }

// Next finds the first request of c in b, and makes one of distcache's out of it.
func (w *Wire) Next(c int, b []byte, _ bool) (m codec.Message, size int, err error) {
	s, r := &w.conns[c], &w.request
	if !s.known {
		s.known, s.binary = true, b[0] == memcached.Magic
	}
	switch {
	case s.skip > 0:
		*r = memcached.Request{Size: int(min(s.skip, int64(len(b))))}
		w.step = front.Nothing
		return codec.Message{}, r.Size, nil
	case s.inKeys:
		memcached.ParseKey(b, s.cas, r)
	case s.binary:
		err = memcached.ParseBinary(b, r)
	default:
		err = memcached.ParseText(b, r)
	}
	if err != nil {
		return codec.Message{}, 0, err
	}
	return w.translate(r), r.Size, nil
}

// translate sets what Next has found: the step, the kind and the message.
func (w *Wire) translate(r *memcached.Request) codec.Message {
	w.step, w.kind = front.Local, answered
	store := r.Head.Verb == memcached.Set || r.Head.Verb == memcached.Add
	if r.Refusal != memcached.None && r.Refusal != memcached.TooLarge ||
		!store && r.Head.Verb != memcached.Get && r.Head.Verb != memcached.Delete ||
		r.Head.Verb == memcached.Delete && w.config.IgnoreRemoves {
		return codec.Message{}
	}
	w.id = memcached.AppendID(w.id[:0], r.Key)
	switch {
	case r.Head.Verb == memcached.Get:
		return w.ask(get, codec.OpGet)
	case r.Head.Verb == memcached.Delete:
		return w.ask(remove, codec.OpRemove)
	}
	return w.store(r)
}

// store makes the request of a set or an add.
func (w *Wire) store(r *memcached.Request) codec.Message {
	length := codec.AddOverhead + len(w.id) + len(r.Value)
	if memcached.Marked(r.Value) {
		length += memcached.MarkSize
	}
	set := r.Head.Verb == memcached.Set
	if length > codec.MaxPayload {
		r.Refusal = memcached.TooLarge
	}
	if r.Refusal == memcached.TooLarge {
		if set {
			return w.ask(tooLarge, codec.OpRemove) // the value before is not what the client wants any more
		}
		return codec.Message{}
	}
	life, gone := memcached.Life(r.Expiry, w.config.UnixNow)
	switch {
	case gone && set:
		return w.ask(expired, codec.OpRemove)
	case gone:
		return w.ask(addExpired, codec.OpHave)
	}
	w.payload = codec.AppendAdd(w.payload[:0], codec.Add{Timeout: life, ID: w.id})
	w.payload = memcached.AppendValue(w.payload, r.Value)
	w.step, w.kind = front.Ask, add
	if set {
		w.kind = replace
	}
	m := w.build(codec.OpAdd, w.payload)
	clear(w.payload)
	return m
}

// ask makes a request that carries the ID alone.
func (w *Wire) ask(k kind, op codec.Op) codec.Message {
	w.step, w.kind = front.Ask, k
	return w.build(op, w.id)
}

func (w *Wire) build(op codec.Op, payload []byte) codec.Message {
	w.message = codec.AppendMessage(w.message[:0], codec.Request, 0, op, payload)
	return codec.Message{Wire: w.message, Op: op, PayloadLen: len(payload)}
}

// Begin takes what Next has found last as the request a.
func (w *Wire) Begin(a front.Asker) front.Step {
	if w.step != front.Ask {
		return w.step
	}
	s := &w.conns[a.Client]
	if s.sets > 0 && w.mustWait(s) {
		return front.Wait
	}
	if s.ring == nil {
		s.ring = w.newRing()
	}
	s.open++
	o := s.ring.at(a.Seq)
	*o = open{head: w.request.Head, kind: w.kind}
	switch {
	case w.kind == get && o.head.NeedsKey():
		o.key = s.ring.keep(w.request.Key)
	case w.kind == replace:
		if o.kept = w.pool.Get(len(w.message)); o.kept != nil {
			o.kept = append(o.kept, w.message...)
			s.sets++
			s.kept += len(o.kept)
		}
	}
	return front.Ask
}

// mustWait reports whether what Next has found must wait for sets of the client: of the same ID,
// which it would overtake if that has to be replaced, or for the memory that they take.
func (w *Wire) mustWait(s *conn) bool {
	if w.kind == replace && s.kept+len(w.message) > maxKept {
		return true
	}
	for i := range s.ring.requests {
		if o := &s.ring.requests[i]; o.kept != nil && bytes.Equal(o.id(), w.id) {
			return true
		}
	}
	return false
}

// Undo forgets a request that Begin took.
func (w *Wire) Undo(a front.Asker) {
	s := &w.conns[a.Client]
	w.forget(s, s.ring.at(a.Seq))
}

// Done ends what Next has found.
func (w *Wire) Done(c int) (last bool) {
	s, r := &w.conns[c], &w.request
	w.Counters.Read += uint64(r.Size)
	if s.skip > 0 {
		s.skip -= int64(r.Size)
		return false
	}
	s.skip, s.inKeys, s.cas = r.Swallow, r.Head.More, r.Head.CAS
	w.Counters.count(r, w.config.IgnoreRemoves)
	if w.shares++; w.shares%shareEvery == 0 {
		w.share()
	}
	return r.Close
}

// Wipe wipes the request in distcache's form.
func (w *Wire) Wipe() {
	clear(w.message)
	clear(w.id)
	w.message, w.id = w.message[:0], w.id[:0]
}

// Local appends the answer to what Next has found, where it is none of dc_server's.
func (w *Wire) Local(_ front.Asker, dst []byte) []byte {
	r, before := &w.request, len(dst)
	switch {
	case r.Refusal != memcached.None:
		dst = r.Head.AppendRefusal(dst, r.Refusal)
	case r.Head.Verb == memcached.Delete: // -remove ignore
		dst = r.Head.AppendDeleted(dst)
	case r.Head.Verb != memcached.Stats:
		dst = r.Head.AppendDone(dst)
	case r.Named: // parts of memcached that are not here
		dst = memcached.AppendEnd(dst)
	default:
		dst = w.appendStats(dst)
	}
	w.Counters.Written += uint64(len(dst) - before)
	return dst
}
