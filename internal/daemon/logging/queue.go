package logging

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// queueLines bounds the lines that wait for the target. When it is full, new ones are dropped and counted: the old ones
// tell how it began, and memory stays bounded at some 2 MB.
const queueLines = 1024

// droppedPeriod is how often a target that never catches up is told how many lines it missed.
const droppedPeriod = time.Second

// line is one entry of the queue: a line, or a request to close flushed when all before it has been written.
type line struct {
	level   slog.Level
	text    []byte // without newline
	flushed chan struct{}
}

// target takes lines one at a time. It may block; an error means that the line is lost.
type target interface {
	write(level slog.Level, text []byte) error
}

// queue decouples those who log from the target.
type queue struct {
	lines   chan line
	dropped atomic.Uint64
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
		q.dropped.Add(1)
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
		q.dropped.Add(1)
	}
}

// tellDropped writes how many lines were lost since the last time. When even that is lost, the count is kept.
func (q *queue) tellDropped(now time.Time) {
	n := q.dropped.Swap(0)
	if n == 0 {
		return
	}
	b := q.layout.appendHead(nil, now, slog.LevelWarn, "log lines lost")
	b = appendAttr(b, "", slog.Uint64("count", n))
	if err := q.target.write(slog.LevelWarn, b); err != nil {
		q.dropped.Add(n)
	}
}

// flush waits at most within for all that was put before, and tells whether it was dealt with.
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

// close ends the goroutine, as soon as the target lets go of it.
func (q *queue) close() { close(q.quit) }
