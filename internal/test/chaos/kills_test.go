package chaos

import (
	"math"
	"sync"
	"time"
)

// clock tells the time since the run began, in nanoseconds, by the monotonic clock.
type clock struct{ began time.Time }

func (c clock) now() int64 { return int64(time.Since(c.began)) }

// kill is one end of dc_server: its memory is gone at some time from begin to end, in
// nanoseconds of the run's clock.
type kill struct{ begin, end int64 }

// kills are those of a run, in order. The n-th ended the n-th dc_server; so the number of
// those before tells which dc_server it is, from 0: its epoch.
type kills struct {
	clock clock
	mu    sync.Mutex
	all   []kill
}

// record notes one that end carries out.
func (k *kills) record(end func()) {
	k.mu.Lock()
	k.all = append(k.all, kill{k.clock.now(), math.MaxInt64})
	n := len(k.all) - 1
	k.mu.Unlock()
	end()
	k.mu.Lock()
	k.all[n].end = k.clock.now()
	k.mu.Unlock()
}

// begun is how many there were so far, the one under way included: the epoch of the
// newest dc_server that can have heard of anything sent until now.
func (k *kills) begun() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}

// during gives those that may fall between two times, and the epoch before them.
func (k *kills) during(first, last int64) (epoch int, these []kill) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, one := range k.all {
		switch {
		case one.end < first:
			epoch++
		case one.begin <= last:
			these = append(these, one)
		}
	}
	return epoch, these
}
