package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// The bounds of one history. A session ID is used until one is reached, then a new one
// takes its place: each history begins with a session that nobody has added, and is
// short enough to be checked in no time. Each request that may have happened doubles
// what there is to try.
const (
	maxOperations = 160
	maxDoubts     = 6
)

// history is what was seen of one session ID.
type history struct {
	id         string
	operations []operation
	open       int // requests that have no outcome yet
	doubts     int
	retired    bool
}

// shelf is the session IDs that a group of clients shares.
type shelf struct {
	name  string
	check func(*history) // takes one that is complete; nil: nothing is recorded

	mu    sync.Mutex
	slots []*history
	made  int
}

func newShelf(name string, slots int, check func(*history)) *shelf {
	s := &shelf{name: name, check: check, slots: make([]*history, slots)}
	for i := range s.slots {
		s.slots[i] = s.fresh()
	}
	return s
}

// fresh makes a session ID that nobody has used, of 10 to 64 bytes.
func (s *shelf) fresh() *history {
	s.made++
	id := fmt.Sprintf("%s/%d/", s.name, s.made)
	return &history{id: id + strings.Repeat("x", s.made*7%(64-len(id)+1))}
}

// take opens a request about one of the session IDs.
func (s *shelf) take(r *rand.Rand) *history {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.slots[r.IntN(len(s.slots))]
	h.open++
	return h
}

// give records what became of a request that was taken; nil: it never was one.
func (s *shelf) give(h *history, o *operation) {
	s.mu.Lock()
	h.open--
	if o != nil && s.check != nil {
		h.operations = append(h.operations, *o)
		if o.doubtful() {
			h.doubts++
		}
	}
	s.retire(h, len(h.operations) >= maxOperations || h.doubts >= maxDoubts)
	complete := h.retired && h.open == 0
	s.mu.Unlock()
	if complete {
		s.check(h)
	}
}

// retire replaces h when it is time.
func (s *shelf) retire(h *history, due bool) {
	if !due || h.retired {
		return
	}
	h.retired = true
	for i, other := range s.slots {
		if other == h {
			s.slots[i] = s.fresh()
		}
	}
}

// finish hands over what is left. No request may be open.
func (s *shelf) finish() {
	for _, h := range s.slots {
		s.check(h)
	}
}
