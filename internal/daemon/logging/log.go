package logging

import (
	"fmt"
	"io"
	"log/slog"
	"time"
)

// Config says where lines go.
type Config struct {
	Program string       // name in syslog
	Stderr  io.Writer    // target in the foreground
	Syslog  bool         // syslog instead of Stderr, for a detached daemon
	Level   slog.Leveler // least level that is logged; nil: Info
}

// Log is a logger for any goroutine; to log never waits and never fails.
type Log struct {
	*slog.Logger
	queue *queue
}

// Open starts logging. The warning is not empty when the syslog daemon cannot be reached: lines are dropped and counted
// until it can be, which is attempted every 5 seconds while there are lines.
func Open(c Config) (l *Log, warning string) {
	if !c.Syslog {
		return start(&stderr{w: c.Stderr}, layout{stamped: true}, c.Level), ""
	}
	return openSyslog(&syslogTarget{tag: c.Program}, c.Level)
}

func openSyslog(t *syslogTarget, level slog.Leveler) (l *Log, warning string) {
	if err := t.connect(); err != nil {
		warning = fmt.Sprintf("nothing is logged until the syslog daemon can be reached: %v", err)
	}
	return start(t, layout{}, level), warning
}

func start(t target, y layout, level slog.Leveler) *Log {
	if level == nil {
		level = slog.LevelInfo
	}
	q := newQueue(t, y)
	return &Log{
		Logger: slog.New(&handler{queue: q, level: level, layout: y}),
		queue:  q,
	}
}

// Flush waits, but not longer than within, until all lines so far are written or lost, and tells whether they are.
func (l *Log) Flush(within time.Duration) bool { return l.queue.flush(within) }

// Close flushes and ends the goroutine that writes; later lines are lost. Call it once, at exit: a target that is stuck
// keeps it no longer than within, and the goroutine then stays for as long as the target does.
func (l *Log) Close(within time.Duration) bool {
	flushed := l.Flush(within)
	l.queue.close()
	return flushed
}
