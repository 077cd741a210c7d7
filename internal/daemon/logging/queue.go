package logging

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// queueLines bounds the lines that wait for the target. When the queue is full, new lines are dropped and counted: the
// old ones tell how the trouble began. The queue takes at most some 2 MB.
const queueLines = 1024

// droppedPeriod is the time between two lines that count the lost ones, while the queue never empties.
const droppedPeriod = time.Second

// line is one entry of the queue: a line, or a request to close flushed when all before it has been written.
type line struct {
	level   slog.Level
	text    []byte // without newline
	flushed chan struct{}
}

// queue decouples the callers from the target.
type queue struct {
	lines   chan line
	dropped atomic.Uint64 // lines lost since the last line that counts them
	lost    atomic.Uint64 // lines lost since start
	target  target
	layout  layout
	quit    chan struct{}
}

func newQueue(t target, y layout) *queue {
	q := &queue{
		lines:  make(chan line, queueLines),
		target: t,
		layout: y,
		quit:   make(chan struct{}),
	}
	go q.run()
	return q
}

// put takes a line if there is room for it.
func (q *queue) put(l line) {
	select {
	case q.lines <- l:
	default:
		q.lose()
	}
}

// run is the goroutine that writes.
func (q *queue) run() {
	var told time.Time
	for {
		select {
		case <-q.quit:
			return
		case l := <-q.lines:
			q.write(l)
			if now := time.Now(); len(q.lines) == 0 || now.Sub(told) >= droppedPeriod {
				q.tellDropped(now)
				told = now
			}
			if l.flushed != nil {
				close(l.flushed)
			}
		}
	}
}

func (q *queue) write(l line) {
	if l.flushed != nil {
		return
	}
	if err := q.target.write(l.level, l.text); err != nil {
		q.lose()
	}
}

func (q *queue) lose() {
	q.dropped.Add(1)
	q.lost.Add(1)
}

// tellDropped logs how many lines were lost since the last time. If that line is lost too, the count is kept.
func (q *queue) tellDropped(now time.Time) {
	n := q.dropped.Swap(0)
	if n == 0 {
		return
	}
	b := q.layout.appendHead(nil, now, slog.LevelWarn, "log lines lost")
	b = q.layout.appendAttr(b, "", slog.Uint64("count", n))
	if err := q.target.write(slog.LevelWarn, q.layout.end(b, slog.Record{})); err != nil {
		q.dropped.Add(n)
	}
}

// flush waits at most within until all earlier lines are written or lost, and tells whether they are.
func (q *queue) flush(within time.Duration) bool {
	limit := time.NewTimer(within)
	defer limit.Stop()
	l := line{flushed: make(chan struct{})}
	select {
	case q.lines <- l:
	case <-limit.C:
		return false
	}
	select {
	case <-l.flushed:
		return true
	case <-limit.C:
		return false
	}
}

// close ends the goroutine, once the write that it is in returns.
func (q *queue) close() { close(q.quit) }
