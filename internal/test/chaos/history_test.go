package chaos

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
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

// fresh makes a session ID of 10 to 64 bytes that no request has used.
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

// verdictLimit is how long the checker may think about one history.
const verdictLimit = 5 * time.Minute

// checker checks histories while the run goes on. Clients wait for it when it is far
// behind: every history is checked.
type checker struct {
	kills     *kills
	failovers *kills
	ledger    *ledger
	pending   chan *history
	working   sync.WaitGroup
	checked   atomic.Int64 // histories
	events    atomic.Int64 // operations in them
}

func newChecker(k, failovers *kills, l *ledger) *checker {
	c := &checker{kills: k, failovers: failovers, ledger: l, pending: make(chan *history, 1000)}
	for range 2 {
		c.working.Go(func() {
			for h := range c.pending {
				c.check(h)
			}
		})
	}
	return c
}

// add takes a history that is complete.
func (c *checker) add(h *history) { c.pending <- h }

// finish checks what is left.
func (c *checker) finish() {
	close(c.pending)
	c.working.Wait()
}

func (c *checker) check(h *history) {
	switch linearizable(h.operations, c.kills, verdictLimit) {
	case porcupine.Illegal:
		if c.excused(h) {
			break
		}
		c.ledger.violate(notLinearizable, "session %q:\n%s", h.id, c.describe(h))
	case porcupine.Unknown:
		c.ledger.violate(undecided, "session %q: no verdict on %d operations after %v", h.id, len(h.operations), verdictLimit)
	}
	c.checked.Add(1)
	c.events.Add(int64(len(h.operations)))
}

// describe tells a history, line by line in the order in which the requests began.
func (c *checker) describe(h *history) string {
	slices.SortFunc(h.operations, func(a, b operation) int { return cmp.Compare(a.call, b.call) })
	var text strings.Builder
	for i := range h.operations {
		fmt.Fprintf(&text, "\t%v\n", &h.operations[i])
	}
	epoch, killed := c.kills.during(h.operations[0].call, h.operations[len(h.operations)-1].ret)
	for i, one := range killed {
		fmt.Fprintf(&text, "\tdc_server %d ended %v–%v\n", epoch+i, time.Duration(one.begin), time.Duration(one.end))
	}
	return text.String()
}
