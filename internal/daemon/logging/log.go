package logging

import (
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Config tells where lines go.
type Config struct {
	Program string       // name in syslog
	Stderr  io.Writer    // target in the foreground
	Syslog  bool         // syslog instead of Stderr, for a detached daemon
	Level   slog.Leveler // least level that is logged; nil: Info
	Format  Format
}

// Log is a logger for any goroutine. Logging never waits and never fails.
type Log struct {
	*slog.Logger
	queue  *queue
	recent *recent
}

// Open starts logging. The warning is not empty when the syslog daemon cannot be reached: lines are dropped and counted
// until it can be, which is attempted every 5 seconds while there are lines.
func Open(c Config) (l *Log, warning string) {
	if !c.Syslog {
		journal := isJournal(c.Stderr)
		return start(&stderr{w: c.Stderr}, layout{format: c.Format, stamped: !journal, priority: journal}, c.Level), ""
	}
	return openSyslog(&syslogTarget{tag: c.Program}, layout{format: c.Format}, c.Level)
}

func openSyslog(t *syslogTarget, y layout, level slog.Leveler) (l *Log, warning string) {
	if err := t.connect(); err != nil {
		warning = fmt.Sprintf("cannot reach the syslog daemon: log lines are dropped until it answers: %v", err)
	}
	return start(t, y, level), warning
}

func start(t target, y layout, level slog.Leveler) *Log {
	if level == nil {
		level = slog.LevelInfo
	}
	q := newQueue(t, y)
	rc := &recent{levels: map[slog.Level]uint64{}}
	return &Log{
		Logger: slog.New(&handler{queue: q, recent: rc, level: level, layout: y}),
		queue:  q,
		recent: rc,
	}
}

// Flush waits, but not longer than within, until all lines so far are written or lost, and tells whether they are.
func (l *Log) Flush(within time.Duration) bool { return l.queue.flush(within) }

// Close flushes and ends the goroutine that writes; later lines are lost. Call it once, at exit. It takes no longer than
// within: the goroutine of a stuck target stays.
func (l *Log) Close(within time.Duration) bool {
	flushed := l.Flush(within)
	l.queue.close()
	return flushed
}

// limiterPeriod is the time between two lines of one class.
const limiterPeriod = time.Second

// Limiter lets one event of its class a second through and counts the others; keep one for each class of events. It
// allocates nothing, knows no clock, and belongs to one goroutine. The zero value is ready for use.
//
//	if n, ok := garbage.Allow(now); ok {
//		log.Warn("connection closed: corrupt frame", "field", field, logging.Suppressed(n))
//	}
type Limiter struct {
	next       time.Duration
	suppressed uint64
}

// Allow tells whether to log an event at the monotonic time now and, if so, how many events were suppressed since the
// last one that was logged.
func (l *Limiter) Allow(now time.Duration) (suppressed uint64, ok bool) {
	if now < l.next {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed = l.suppressed, 0
	l.next = now + limiterPeriod
	return suppressed, true
}

// Suppressed returns the attribute suppressed=n, or for 0 an empty one, which does not show in the line.
func Suppressed(n uint64) slog.Attr {
	if n == 0 {
		return slog.Attr{}
	}
	return slog.Uint64("suppressed", n)
}

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
