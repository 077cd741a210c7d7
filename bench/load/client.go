package load

import "distcache/bench/load/plan"

// client is one of the concurrent clients. It has at most one connection.
type client struct {
	stream plan.Stream
	number uint32
	fd     int32 // of the connection, or noFD
	link   link

	place      place // the queue or set that it is in
	prev, next int32 // its neighbours in a queue, by number

	// Its unanswered requests are a ring of pendings, in the order in which they were begun. The newest of them are not
	// with the connection yet.
	first  uint32 // where the oldest is
	count  uint32 // how many there are
	queued uint32 // how many are in a batch that is not carried out yet
	unsent uint32 // how many come after those

	quota uint64 // how many operations it may still begin in this phase
	owed  uint64 // open loop: how many are due and not begun
	paced uint64 // open loop: how many have been begun

	in  []byte // the beginning of an answer; nil mostly
	out []byte // what the socket did not take; nil mostly

	previous plan.Asked // the last request that was answered on this connection, if served
	served   bool
	until    int64 // when it stops resting
}

const noFD = -1

// link is the state of a client's connection.
type link uint8

const (
	closed   link = iota
	knocking      // the listener's backlog was full: connect is to be tried again
	open          // connected, or a TCP connection under way, which behaves like one that does not take bytes yet
)

// place is the queue or set that a client is in.
type place uint8

const (
	nowhere   place = iota
	inWaiting       // in the queue for answers
	inEpoll         // in the epoll set
	inKnocking
	inResting
)

// sent returns how many requests the connection has taken that are unanswered.
func (c *client) sent() uint32 { return c.count - c.queued - c.unsent }

// queue is a list of clients, oldest first. A client is in one at most, so the links are in the client.
type queue struct {
	clients     []client
	place       place
	first, last int32
	length      int
}

const none = -1

func newQueue(clients []client, p place) queue {
	return queue{clients: clients, place: p, first: none, last: none}
}

func (q *queue) push(c *client) {
	c.place, c.prev, c.next = q.place, q.last, none
	if q.last == none {
		q.first = int32(c.number)
	} else {
		q.clients[q.last].next = int32(c.number)
	}
	q.last = int32(c.number)
	q.length++
}

func (q *queue) remove(c *client) {
	if c.prev == none {
		q.first = c.next
	} else {
		q.clients[c.prev].next = c.next
	}
	if c.next == none {
		q.last = c.prev
	} else {
		q.clients[c.next].prev = c.prev
	}
	c.place = nowhere
	q.length--
}

// front returns the oldest, or nil.
func (q *queue) front() *client { return q.at(q.first) }

// after returns the one behind c, or nil.
func (q *queue) after(c *client) *client { return q.at(c.next) }

func (q *queue) at(number int32) *client {
	if number == none {
		return nil
	}
	return &q.clients[number]
}
