package load

// queue is a list of clients, oldest first. A client is in one at most, so the links are in the client.
type queue struct {
	clients     []client
	place       place
	first, last int32
	length      int
}

const nobody = -1

func newQueue(clients []client, p place) queue {
	return queue{clients: clients, place: p, first: nobody, last: nobody}
}

func (q *queue) push(c *client) {
	c.place, c.prev, c.next = q.place, q.last, nobody
	if q.last == nobody {
		q.first = int32(c.number)
	} else {
		q.clients[q.last].next = int32(c.number)
	}
	q.last = int32(c.number)
	q.length++
}

func (q *queue) remove(c *client) {
	if c.prev == nobody {
		q.first = c.next
	} else {
		q.clients[c.prev].next = c.next
	}
	if c.next == nobody {
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
	if number == nobody {
		return nil
	}
	return &q.clients[number]
}
