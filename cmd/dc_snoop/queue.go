package main

import "sync"

// maxQueued is how many bytes may wait for the recorder. What comes when it is full is
// counted and dropped.
const maxQueued = 64 << 20

// item is one thing for the recorder: exactly one of the first three, or a summary.
type item struct {
	event     *event
	packet    *packet
	complaint string // a line for stderr
	summary   bool   // print the figures as they are now
}

// queue is what waits for the recorder. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	filled  sync.Cond
	items   []item
	bytes   int
	dropped uint64 // since the last take
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.filled.L = &q.mu
	return q
}

// put adds an item of that size in bytes, or drops it. It never waits.
func (q *queue) put(i item, size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return
	case q.bytes+size > maxQueued:
		q.dropped++
	default:
		q.items = append(q.items, i)
		q.bytes += size
	}
	q.filled.Signal()
}

// close lets take return what is there, and then nothing.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Signal()
}

// take waits for items and returns all there are, and how many were dropped meanwhile. The
// slice was that of the last call but one. more is false when the queue is closed and empty.
func (q *queue) take(spare []item) (items []item, dropped uint64, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.items) == 0 && q.dropped == 0 && !q.closed {
		q.filled.Wait()
	}
	items, dropped = q.items, q.dropped
	q.items, q.bytes, q.dropped = spare[:0], 0, 0
	return items, dropped, len(items) > 0 || dropped > 0
}
