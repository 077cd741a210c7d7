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
}

// recent keeps the last lines, also those that the target has lost, and counts them all.
type recent struct {
	mu     sync.Mutex
	events [RecentLines]Event
	total  uint64
	levels map[slog.Level]uint64
}

// add keeps a record. A nil recent keeps none.
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
	rc.events[rc.total%RecentLines] = Event{Time: r.Time, Level: r.Level, Text: string(cut(b))}
	rc.total++
	rc.levels[r.Level]++
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
