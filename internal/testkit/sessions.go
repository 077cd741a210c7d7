package testkit

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

// answer does what a request asks and gives the honest answer in wire form
// (PROTOCOL.md, “Operations”).
func (s *sessions) answer(m codec.Message) []byte {
	payload := m.Payload(nil)
	if m.Op == codec.OpAdd {
		return Status(m.UID, m.Op, s.add(payload))
	}
	id := string(payload)
	if m.Op == codec.OpGet {
		if data, ok := s.get(id); ok {
			return Hit(m.UID, data)
		}
		return Status(m.UID, m.Op, codec.StatusNotOK)
	}
	_, ok := s.get(id)
	if m.Op == codec.OpRemove {
		s.remove(id)
	}
	if !ok {
		return Status(m.UID, m.Op, codec.StatusNotOK)
	}
	return Status(m.UID, m.Op, codec.StatusOK)
}

func (s *sessions) add(payload []byte) codec.Status {
	a, status := codec.ParseAdd(payload)
	if status != codec.StatusOK {
		return status
	}
	if _, ok := s.get(string(a.ID)); ok {
		return codec.StatusAddExists
	}
	s.put(string(a.ID), string(a.Data), a.Timeout)
	return codec.StatusOK
}

func (s *sessions) put(id, data string, ttl time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byID[id] = session{data, time.Now().Add(ttl)}
}

func (s *sessions) get(id string) (string, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, ok := s.byID[id]
	if ok && !time.Now().Before(found.expires) {
		delete(s.byID, id)
		return "", false
	}
	return found.data, ok
}

func (s *sessions) remove(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.byID, id)
}
