package load

import "time"

// clock is monotonic time in nanoseconds since the run began.
type clock struct{ start time.Time }

func newClock() clock { return clock{start: time.Now()} }

func (c clock) now() int64 { return int64(time.Since(c.start)) }
