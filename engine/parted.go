package engine

import (
	"time"

	"distcache/internal/deadline"
	"distcache/internal/socket"
)

// looks are the waits between one look whether a client has read the first part and the
// next. No event tells it: a unix socket is writable long before it is empty. Each is
// four times the one before, so a client that does not read costs little, and after the
// last, 2 s in all, the second part goes out all the same.
var looks = [...]time.Duration{
	100 * time.Microsecond, 400 * time.Microsecond, 1600 * time.Microsecond, 6400 * time.Microsecond,
	25 * time.Millisecond, 100 * time.Millisecond, 400 * time.Millisecond, 1600 * time.Millisecond,
}

// parted is the clients that have to read the first part of a Write before they get the
// second, by descriptor, each in the queue of its next look.
type parted struct {
	clients *Clients
	entries deadline.Entries
	queues  [len(looks)]*deadline.Queue
	waiting int
}

func newParted(cs *Clients) *parted {
	p := &parted{clients: cs}
	for i, delay := range looks {
		p.queues[i] = p.entries.NewQueue(delay)
	}
	return p
}

// WriteParted sends b as Write does, to a client that must not find its first at bytes
// and the rest in one read: over a unix socket the rest is held until those have been
// read, 2 s at most. Over TCP, where reading cannot be seen, and where answers wait for
// the client already, it is Write. b must be longer than at.
func (cs *Clients) WriteParted(fd int, b []byte, at int) Outcome {
	c := cs.table[fd]
	if c.held != nil || !socket.IsUnix(fd) || !c.makeRoom(len(b)-at) {
		return c.write(b)
	}
	n, err := socket.Write(fd, b[:at])
	switch {
	case !again(err):
		return Failed
	case !c.makeRoom(len(b) - n):
		return NoMemory
	}
	c.held = append(c.held, b[n:]...)
	c.first = at - n
	if c.first == 0 {
		cs.part(c)
	}
	if c.watch() != nil {
		return Failed
	}
	return Held
}

// part begins to look whether c has read all that was written.
func (cs *Clients) part(c *client) {
	if cs.parted == nil {
		cs.parted = newParted(cs)
		cs.loop.Schedule(cs.parted)
	}
	c.waits = true
	cs.parted.waiting++
	cs.parted.queues[0].Set(c.fd, cs.loop.Now())
}

// drop forgets c, which waits.
func (p *parted) drop(c *client) {
	c.waits = false
	p.waiting--
	p.entries.Clear(c.fd)
}

// Deadline is the next look.
func (p *parted) Deadline() time.Duration {
	next := deadline.Never
	if p.waiting == 0 {
		return next
	}
	for _, q := range p.queues {
		next = min(next, q.Deadline())
	}
	return next
}

// looksPerCall bounds how long clients that are looked at keep the loop from the others.
const looksPerCall = 256

// Expire looks at the clients whose turn it is; when they are many, Deadline stays in the
// past and the rest follow.
func (p *parted) Expire(now time.Duration) {
	budget := looksPerCall
	for level, q := range p.queues {
		for ; budget > 0; budget-- {
			fd, ok := q.Due(now)
			if !ok {
				break
			}
			p.look(fd, level, now)
		}
	}
}

// look lets the client go on that has read, or that was waited for long enough.
func (p *parted) look(fd, level int, now time.Duration) {
	c := p.clients.table[fd]
	if level+1 < len(looks) && socket.Unread(fd) > 0 {
		p.queues[level+1].Set(fd, now)
		return
	}
	p.drop(c)
	c.rewatch() // it is written when the socket is writable, as whatever is held
}
