package store

import (
	"cmp"
	"slices"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// naive is a store that is plain to see through: a map, and a list in order of expiry.
// It does what Memory must do, expired sessions that linger included.
type naive struct {
	capacity int
	limit    int64
	classes  *classes

	sessions map[string]*naiveSession
	order    []*naiveSession
	added    int
	cost     int64
	stats    Stats
}

type naiveSession struct {
	id       string
	data     []byte
	deadline time.Duration
	number   int
	cost     int64
}

func newNaive(c Config) *naive {
	classes := newClasses()
	return &naive{
		capacity: c.MaxSessions,
		limit:    c.limit(classes),
		classes:  classes,
		sessions: map[string]*naiveSession{},
	}
}

func byExpiry(a, b *naiveSession) int {
	return cmp.Or(cmp.Compare(a.deadline, b.deadline), cmp.Compare(a.number, b.number))
}

func (n *naive) add(id, data []byte, ttl, now time.Duration) AddResult {
	if len(id) == 0 || len(id) > codec.MaxIDLen || len(data) == 0 || len(data) > codec.MaxDataLen {
		n.stats.Refused++
		return AddResult{Outcome: Refused}
	}
	if s := n.sessions[string(id)]; s != nil {
		if s.deadline >= now {
			n.stats.Exists++
			return AddResult{Outcome: Exists}
		}
		n.drop(s)
		n.stats.Expired++
	}
	n.stats.Stored++
	if ttl <= 0 {
		n.stats.Expired++
		return AddResult{Outcome: Stored}
	}
	s := &naiveSession{id: string(id), data: slices.Clone(data), number: n.added}
	s.cost = n.classes.of(recordSize(len(id), len(data))).cost
	s.deadline = deadline.Never/tick*tick - tick // the last expiry time that there is
	if end := now + ttl; end > 0 && end < s.deadline {
		s.deadline = (end + tick - 1) / tick * tick
	}
	result := AddResult{Outcome: Stored}
	for len(n.order) == n.capacity || n.cost+s.cost > n.limit {
		full := FullOfBytes
		if len(n.order) == n.capacity {
			full = FullOfSessions
		}
		if n.dropFirst(now) {
			result.Evicted, result.Full = result.Evicted+1, full
		}
	}
	n.insert(s)
	return result
}

func (n *naive) insert(s *naiveSession) {
	n.added++
	n.cost += s.cost
	n.stats.Bytes += int64(len(s.id) + len(s.data))
	n.sessions[s.id] = s
	at, _ := slices.BinarySearchFunc(n.order, s, byExpiry)
	n.order = slices.Insert(n.order, at, s)
}

func (n *naive) dropFirst(now time.Duration) (evicted bool) {
	first := n.order[0]
	n.drop(first)
	if first.deadline >= now {
		n.stats.Evicted++
		return true
	}
	n.stats.Expired++
	return false
}

func (n *naive) drop(s *naiveSession) {
	n.cost -= s.cost
	n.stats.Bytes -= int64(len(s.id) + len(s.data))
	delete(n.sessions, s.id)
	at, _ := slices.BinarySearchFunc(n.order, s, byExpiry)
	n.order = slices.Delete(n.order, at, at+1)
}

func (n *naive) view(id []byte, now time.Duration) ([]byte, bool) {
	s := n.sessions[string(id)]
	if s == nil || s.deadline < now {
		return nil, false
	}
	return s.data, true
}

func (n *naive) remove(id []byte, now time.Duration) bool {
	s := n.sessions[string(id)]
	if s == nil {
		return false
	}
	n.drop(s)
	if s.deadline < now {
		n.stats.Expired++
		return false
	}
	n.stats.Removed++
	return true
}

func (n *naive) expire(now time.Duration, budget int) int {
	dropped := 0
	for dropped < budget && len(n.order) > 0 && n.order[0].deadline < now {
		n.dropFirst(now)
		dropped++
	}
	return dropped
}

func (n *naive) deadline() time.Duration {
	if len(n.order) == 0 {
		return deadline.Never
	}
	return n.order[0].deadline + 1
}
