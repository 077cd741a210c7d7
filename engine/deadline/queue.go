package deadline

import (
	"math"
	"time"
)

// Never is the deadline of an entry that has none, and the delay that gives none.
const Never = time.Duration(math.MaxInt64)

// none ends a list.
const none = -1

// Entries is a set of entries, numbered from 0. Each is in at most one of the queues over
// the set. The zero Entries is empty; it grows as numbers are used.
type Entries struct {
	links []link
}

type link struct {
	queue      *Queue // nil: in no queue
	at         time.Duration
	prev, next int32
}

// Queue holds entries in the order in which they were set, which is the order of their
// deadlines.
type Queue struct {
	entries    *Entries
	delay      time.Duration
	head, tail int32
	len        int
}

// NewQueue returns an empty queue over e. An entry is due delay after it was set. With the
// delay Never entries are never due, and only kept in order.
func (e *Entries) NewQueue(delay time.Duration) *Queue {
	return &Queue{entries: e, delay: delay, head: none, tail: none}
}

// Set moves entry i to the end of q, from any other queue. It is due at now plus q's delay.
func (q *Queue) Set(i int, now time.Duration) {
	e := q.entries
	for len(e.links) <= i {
		e.links = append(e.links, link{prev: none, next: none})
	}
	e.Clear(i)
	at := Never
	if q.delay < Never-now {
		at = now + q.delay
	}
	e.links[i] = link{queue: q, at: at, prev: q.tail, next: none}
	if q.tail == none {
		q.head = int32(i)
	} else {
		e.links[q.tail].next = int32(i)
	}
	q.tail = int32(i)
	q.len++
}

// Clear removes entry i from its queue, if it is in one.
func (e *Entries) Clear(i int) {
	if i >= len(e.links) || e.links[i].queue == nil {
		return
	}
	l := &e.links[i]
	q := l.queue
	if l.prev == none {
		q.head = l.next
	} else {
		e.links[l.prev].next = l.next
	}
	if l.next == none {
		q.tail = l.prev
	} else {
		e.links[l.next].prev = l.prev
	}
	l.queue = nil
	q.len--
}

// Len is the number of entries in q.
func (q *Queue) Len() int { return q.len }

// First is the entry that was set first; ok is false if q is empty.
func (q *Queue) First() (i int, ok bool) { return int(q.head), q.head != none }

// Deadline is the time when the first entry is due, or Never.
func (q *Queue) Deadline() time.Duration {
	if q.head == none {
		return Never
	}
	return q.entries.links[q.head].at
}

// Due is the first entry if its deadline has come; otherwise ok is false.
func (q *Queue) Due(now time.Duration) (i int, ok bool) {
	if q.Deadline() > now {
		return none, false
	}
	return int(q.head), q.head != none
}
