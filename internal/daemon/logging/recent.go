package logging

import (
	"log/slog"
	"sync"
	"time"
)

// RecentLines is how many lines are kept for the status page.
const RecentLines = 10

// Event is a line that was logged.
type Event struct {
	Time  time.Time
	Level slog.Level
	Text  string // without time and level
	Times int    // how often the message was logged in a row; this is the last one
}

// recent keeps the last lines, also those that the target has lost, and counts them all.
type recent struct {
	mu     sync.Mutex
	events [RecentLines]Event
	total  uint64
	last   string // the message of the newest
	levels map[slog.Level]uint64
}

// add keeps a record, in place of the one before if that has the same message: a warning that comes
// each second must not drive the others out. A nil recent keeps none.
func (rc *recent) add(r slog.Record, prefix string, with []byte) {
	if rc == nil {
		return
	}
	b := append(appendMessage(nil, r.Message), with...)
	r.Attrs(func(a slog.Attr) bool {
		b = appendAttr(b, prefix, a)
		return true
	})
	rc.mu.Lock()
	defer rc.mu.Unlock()
	rc.levels[r.Level]++
	added := Event{Time: r.Time, Level: r.Level, Text: string(cut(b)), Times: 1}
	if newest := &rc.events[(rc.total+RecentLines-1)%RecentLines]; rc.total > 0 && rc.last == r.Message && newest.Level == r.Level {
		added.Times += newest.Times
		*newest = added
		return
	}
	rc.events[rc.total%RecentLines] = added
	rc.last = r.Message
	rc.total++
}

// Recent gives the last lines, the newest first.
func (l *Log) Recent() []Event {
	rc := l.recent
	rc.mu.Lock()
	defer rc.mu.Unlock()
	var all []Event
	for i := uint64(1); i <= min(rc.total, RecentLines); i++ {
		all = append(all, rc.events[(rc.total-i)%RecentLines])
	}
	return all
}

// Counts tells how many lines were logged at a level, and how many of all the target has lost.
func (l *Log) Counts() (byLevel map[slog.Level]uint64, lost uint64) {
	rc := l.recent
	rc.mu.Lock()
	defer rc.mu.Unlock()
	byLevel = make(map[slog.Level]uint64, len(rc.levels))
	for level, n := range rc.levels {
		byLevel[level] = n
	}
	return byLevel, l.queue.lost.Load()
}
