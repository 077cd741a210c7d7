package kit

import (
	"sync"
	"time"

	"distcache/codec"
)

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

// add is for who holds the lock.
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

// find is for who holds the lock.
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
