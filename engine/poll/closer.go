package poll

import (
	"sync"

	"golang.org/x/sys/unix"
)

// closer closes descriptors whose close may block, one after the other, on a goroutine that
// ends when there are no more.
type closer struct {
	mu      sync.Mutex
	waiting []parting // under mu
	running bool      // under mu
}

// parting is a descriptor to close, and what to call when it is closed.
type parting struct {
	fd     int
	closed func()
}

func (c *closer) close(p parting) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = append(c.waiting, p)
	if !c.running {
		c.running = true
		go c.run()
	}
}

func (c *closer) run() {
	for p, ok := c.next(); ok; p, ok = c.next() {
		_ = unix.Close(p.fd) // close of a socket reports nothing
		p.closed()
	}
}

func (c *closer) next() (p parting, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) == 0 {
		c.running, c.waiting = false, nil
		return parting{}, false
	}
	p, c.waiting = c.waiting[0], c.waiting[1:]
	return p, true
}
