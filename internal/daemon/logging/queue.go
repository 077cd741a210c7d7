package logging

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"log/syslog"
	"os"
	"sync/atomic"
	"syscall"
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
	writing atomic.Bool   // the target has a line
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
	if err := q.give(l.level, l.text); err != nil {
		q.lose()
	}
}

func (q *queue) give(level slog.Level, text []byte) error {
	q.writing.Store(true)
	defer q.writing.Store(false)
	return q.target.write(level, text)
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
	if err := q.give(slog.LevelWarn, q.layout.end(b, slog.Record{})); err != nil {
		q.dropped.Add(n)
	}
}

// starvedFlushes is how many times as long flush waits while no write is stuck: on a machine that is overloaded the
// goroutine that writes has had no CPU time yet.
const starvedFlushes = 10

// flush waits until all earlier lines are written or lost, and tells whether they are. A write that is stuck is waited for
// no longer than within.
func (q *queue) flush(within time.Duration) bool {
	limit := time.NewTimer(within)
	defer limit.Stop()
	l := line{flushed: make(chan struct{})}
	select {
	case q.lines <- l:
	case <-limit.C:
		return false
	}
	for range starvedFlushes {
		select {
		case <-l.flushed:
			return true
		case <-limit.C:
			if q.writing.Load() {
				return false
			}
			limit.Reset(within)
		}
	}
	return false
}

// close ends the goroutine, once the write that it is in returns.
func (q *queue) close() { close(q.quit) }

// syslogRetry is the time between attempts to reach a syslog daemon that was not there.
const syslogRetry = 5 * time.Second

// errSyslogDown is returned for lines between two attempts.
var errSyslogDown = errors.New("the syslog daemon cannot be reached")

// target takes lines one at a time. It may block; an error means that the line is lost.
type target interface {
	write(level slog.Level, text []byte) error
}

// stderr is the target in the foreground.
type stderr struct {
	w    io.Writer
	torn bool // the last write ended within a line
}

// write writes one line in one piece. After a line that a full disk cut off, it begins a new one.
func (t *stderr) write(_ slog.Level, text []byte) error {
	b := make([]byte, 0, len(text)+2)
	if t.torn {
		b = append(b, '\n')
	}
	b = append(append(b, text...), '\n')
	n, err := t.w.Write(b)
	if n > 0 {
		t.torn = b[n-1] != '\n'
	}
	return err
}

// syslogTarget is the target of a detached daemon. A syslog daemon that starts late or restarts is found again.
type syslogTarget struct {
	network, address string // empty: where the system has it
	tag              string
	w                *syslog.Writer // nil: not connected
	retry            time.Time      // not before this time
}

// connect attempts to reach the syslog daemon.
func (t *syslogTarget) connect() error {
	w, err := syslog.Dial(t.network, t.address, syslog.LOG_DAEMON|syslog.LOG_INFO, t.tag)
	if err != nil {
		t.retry = time.Now().Add(syslogRetry)
		return err
	}
	t.w = w
	return nil
}

// write sends one line with the severity that its level has. Once connected, the library reconnects after a failure.
func (t *syslogTarget) write(level slog.Level, text []byte) error {
	if t.w == nil {
		if time.Now().Before(t.retry) {
			return errSyslogDown
		}
		if err := t.connect(); err != nil {
			return err
		}
	}
	switch m := string(text); {
	case level < slog.LevelInfo:
		return t.w.Debug(m)
	case level < slog.LevelWarn:
		return t.w.Info(m)
	case level < slog.LevelError:
		return t.w.Warning(m)
	default:
		return t.w.Err(m)
	}
}

// isJournal reports whether w goes to systemd's journal, which then reads a priority at the
// beginning of each line. JOURNAL_STREAM names the device and inode of what systemd has connected
// (systemd.exec(5)); a program that inherits the variable may have another stderr.
func isJournal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}
