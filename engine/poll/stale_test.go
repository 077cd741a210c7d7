package poll

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// TestP1StaleEvent has two descriptors ready in one turn. Whichever comes first closes the
// other and opens new ones: none of them gets the number that died, nor the event.
func TestP1StaleEvent(t *testing.T) {
	r := run(t, nil)
	a, b := pair(t), pair(t)
	a.send(t, "x")
	b.send(t, "x")
	var called, reused, stale int
	var fresh []ends
	ready := func(other *ends) handlerFunc {
		return func(Events) {
			called++
			died := other.polled
			r.Close(a.polled)
			r.Close(b.polled)
			for range 8 {
				e := pair(t)
				fresh = append(fresh, e)
				if e.polled == died || e.own == died {
					reused++
				}
				r.watch(e.polled, Read, func(Events) { stale++ })
			}
		}
	}
	r.do(func() {
		r.watch(a.polled, Read, ready(&b))
		r.watch(b.polled, Read, ready(&a))
	})
	wait(t, "end of the turn", func() bool { return a.closed() || !isOpen(a.polled) && !isOpen(b.polled) })
	r.do(func() {})
	r.do(func() {
		if called != 1 || reused != 0 || stale != 0 {
			t.Errorf("got %d calls, %d reused numbers, %d stale events, want 1, 0, 0", called, reused, stale)
		}
		for _, e := range fresh {
			r.Close(e.polled)
		}
	})
	for _, e := range append(fresh, a, b) {
		_ = unix.Close(e.own)
	}
}

// churn is many descriptors whose handlers close each other at random and open new ones
// in their place. Each is sent its own mark, in a later turn than that in which it was
// opened, so an event for another shows.
type churn struct {
	r      *running
	t      *testing.T
	random *rand.Rand
	open   map[int]*peer // by polled fd
	fds    []int         // the keys of open
	opened int
	events int
	faults []string
}

type peer struct {
	ends
	mark string
	fds  int // index in churn.fds
}

func (c *churn) add() {
	c.opened++
	p := &peer{ends: pair(c.t), mark: strconv.Itoa(c.opened), fds: len(c.fds)}
	if c.open[p.polled] != nil {
		c.faults = append(c.faults, fmt.Sprintf("descriptor %d came twice", p.polled))
	}
	c.open[p.polled] = p
	c.fds = append(c.fds, p.polled)
	c.r.watch(p.polled, Read, func(ev Events) { c.ready(p, ev) })
	_ = c.r.Post(func() {
		if c.open[p.polled] == p {
			p.send(c.t, p.mark)
		}
	})
}

// remove closes a descriptor at random.
func (c *churn) remove() {
	p := c.open[c.fds[c.random.IntN(len(c.fds))]]
	last := c.open[c.fds[len(c.fds)-1]]
	c.fds[p.fds], last.fds = last.polled, p.fds
	c.fds = c.fds[:len(c.fds)-1]
	delete(c.open, p.polled)
	c.r.Close(p.polled)
	_ = unix.Close(p.own)
}

func (c *churn) ready(p *peer, ev Events) {
	c.events++
	b := make([]byte, 16)
	n, err := unix.Read(p.polled, b)
	if c.open[p.polled] != p || ev&Readable == 0 || err != nil || string(b[:n]) != p.mark {
		c.faults = append(c.faults, fmt.Sprintf("descriptor %d, events %#x: got %q, %v, want %q",
			p.polled, ev, b[:max(n, 0)], err, p.mark))
	}
	p.send(c.t, p.mark)
	for range c.random.IntN(4) {
		c.remove()
		c.add()
	}
}

// TestP1Churn is TestP1StaleEvent by the thousand.
func TestP1Churn(t *testing.T) {
	r := run(t, nil)
	c := &churn{r: r, t: t, random: kit.Random(t), open: map[int]*peer{}}
	r.do(func() {
		for range 64 {
			c.add()
		}
	})
	wait(t, "10,000 events", func() bool {
		enough := false
		r.do(func() { enough = c.events >= 10_000 || len(c.faults) > 0 })
		return enough
	})
	r.do(func() {
		for len(c.fds) > 0 {
			c.remove()
		}
	})
	for i, fault := range c.faults {
		if i < 5 {
			t.Error(fault)
		}
	}
	if c.opened < 10_000 {
		t.Errorf("got %d descriptors, want at least 10,000", c.opened)
	}
}

// TestCloseFreesTheNumber holds that what was closed is closed for the kernel too, once
// the turn is over, and no earlier.
func TestCloseFreesTheNumber(t *testing.T) {
	r := run(t, nil)
	e := pair(t)
	r.do(func() {
		_ = r.Attach(e.polled, handlerFunc(func(Events) {}))
		r.Close(e.polled)
		if !isOpen(e.polled) {
			t.Error("the number is free within the turn in which it died")
		}
	})
	wait(t, "end of the stream", e.closed)
	if isOpen(e.polled) {
		t.Error("the number is not free after the turn")
	}
	_ = unix.Close(e.own)
}
