package chaos

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/anishathalye/porcupine"
)

// verdictLimit is how long the checker may think about one history.
const verdictLimit = 5 * time.Minute

// checker checks histories while the run goes on. Clients wait for it when it is far
// behind: every history is checked.
type checker struct {
	kills   *kills
	ledger  *ledger
	pending chan *history
	working sync.WaitGroup
	checked atomic.Int64 // histories
	events  atomic.Int64 // operations in them
}

func newChecker(k *kills, l *ledger) *checker {
	c := &checker{kills: k, ledger: l, pending: make(chan *history, 1000)}
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
