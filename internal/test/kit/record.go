package kit

import (
	"bytes"
	"slices"
	"sync"
	"time"

	"distcache/codec"
)

// maxRecorded is how many requests an Upstream remembers; it counts those beyond, and
// forgets them. So a load test does not fill the memory.
const maxRecorded = 65536

// Request is a request as an Upstream saw it.
type Request struct {
	Conn   int // which connection, from 1 in the order accepted
	Number int // its place on that connection, from 1
	UID    uint32
	Op     codec.Op
	ID     string // the session's; empty when an ADD's payload does not parse
	Wire   []byte // the whole message
}

func newRequest(conn, number int, m codec.Message) Request {
	r := Request{Conn: conn, Number: number, UID: m.UID, Op: m.Op, Wire: bytes.Clone(m.Wire)}
	payload := m.Payload(nil)
	if m.Op != codec.OpAdd {
		r.ID = string(payload)
	} else if a, status := codec.ParseAdd(payload); status == codec.StatusOK {
		r.ID = string(a.ID)
	}
	return r
}

// record is what an Upstream has seen since it was made.
type record struct {
	mu       sync.Mutex
	requests []Request
	total    int
	conns    int
	open     int
	corrupt  []error
}

func (r *record) opened() (conn int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns++
	r.open++
	return r.conns
}

func (r *record) closed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open--
}

func (r *record) asked(q Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.total++
	if len(r.requests) < maxRecorded {
		r.requests = append(r.requests, q)
	}
}

func (r *record) spoilt(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.corrupt = append(r.corrupt, err)
}

// Requests gives the requests seen, in the order in which they came whole; the first
// 65,536 of them.
func (u *Upstream) Requests() []Request {
	u.record.mu.Lock()
	defer u.record.mu.Unlock()
	return slices.Clone(u.record.requests)
}

// Asked is how many requests have been seen.
func (u *Upstream) Asked() int {
	u.record.mu.Lock()
	defer u.record.mu.Unlock()
	return u.record.total
}

// Seen is how many of the recorded requests are of that operation on that session.
func (u *Upstream) Seen(op codec.Op, id string) int {
	n := 0
	for _, q := range u.Requests() {
		if q.Op == op && q.ID == id {
			n++
		}
	}
	return n
}

// Conns is how many connections have been accepted.
func (u *Upstream) Conns() int {
	u.record.mu.Lock()
	defer u.record.mu.Unlock()
	return u.record.conns
}

// Replaced is how many connections a dc_client has used and given up for a later one. One
// that had no more than the probe is none: on a busy machine the first attempt may fail.
func (u *Upstream) Replaced() int {
	last, replaced := u.Conns(), map[int]bool{}
	for _, q := range u.Requests() {
		if q.Number > 1 && q.Conn < last {
			replaced[q.Conn] = true
		}
	}
	return len(replaced)
}

// Open is how many connections are open.
func (u *Upstream) Open() int {
	u.record.mu.Lock()
	defer u.record.mu.Unlock()
	return u.record.open
}

// Corrupt gives what was wrong with each connection that sent no valid requests.
func (u *Upstream) Corrupt() []error {
	u.record.mu.Lock()
	defer u.record.mu.Unlock()
	return slices.Clone(u.record.corrupt)
}

// sessions is what an honest dc_server keeps, without a limit.
type sessions struct {
	mu   sync.Mutex
	byID map[string]session
}

type session struct {
	data    string
	expires time.Time
}

// answer does what a request asks, all at once whoever else asks, and gives the honest
// answer in wire form (PROTOCOL.md, “Operations”).
func (s *sessions) answer(m codec.Message) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	payload := m.Payload(nil)
	if m.Op == codec.OpAdd {
		return Status(m.UID, m.Op, s.add(payload))
	}
	id := string(payload)
	data, ok := s.find(id)
	switch {
	case !ok:
		return Status(m.UID, m.Op, codec.StatusNotOK)
	case m.Op == codec.OpGet:
		return Hit(m.UID, data)
	case m.Op == codec.OpRemove:
		delete(s.byID, id)
	}
	return Status(m.UID, m.Op, codec.StatusOK)
}

// add must be called with the lock held.
func (s *sessions) add(payload []byte) codec.Status {
	a, status := codec.ParseAdd(payload)
	if status != codec.StatusOK {
		return status
	}
	if _, ok := s.find(string(a.ID)); ok {
		return codec.StatusAddExists
	}
	s.byID[string(a.ID)] = session{string(a.Data), time.Now().Add(a.Timeout)}
	return codec.StatusOK
}

// find must be called with the lock held.
func (s *sessions) find(id string) (string, bool) {
	found, ok := s.byID[id]
	if ok && !time.Now().Before(found.expires) {
		delete(s.byID, id)
		return "", false
	}
	return found.data, ok
}

func (s *sessions) put(id, data string, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = session{data, time.Now().Add(ttl)}
}

func (s *sessions) get(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(id)
}

func (s *sessions) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}
