package logging

import (
	"log/slog"
	"time"
)

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

// Allow tells whether an event at the monotonic time now is to be logged and, if so, how many were not since the last
// one that was.
func (l *Limiter) Allow(now time.Duration) (suppressed uint64, ok bool) {
	if now < l.next {
		l.suppressed++
		return 0, false
	}
	suppressed, l.suppressed = l.suppressed, 0
	l.next = now + limiterPeriod
	return suppressed, true
}

// Suppressed returns the attribute suppressed=n, or for 0 an empty one, which leaves no trace in the line.
func Suppressed(n uint64) slog.Attr {
	if n == 0 {
		return slog.Attr{}
	}
	return slog.Uint64("suppressed", n)
}
