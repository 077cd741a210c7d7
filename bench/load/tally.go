package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"distcache/codec"
)

// The range of the histograms, and the relative precision: three digits.
const (
	latencyUnit   = 100 * time.Nanosecond
	latencyMax    = time.Hour
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(latencyUnit), int64(latencyMax), latencyDigits)
}

// record adds a latency in nanoseconds; one beyond latencyMax counts as that.
func record(h *hdrhistogram.Histogram, nanos int64) {
	_ = h.RecordValue(max(0, min(nanos, int64(latencyMax))))
}

// tally counts what was measured.
type tally struct {
	operations  [codec.NumOps]OpResult
	failures    [NumFailures]uint64
	failed      *hdrhistogram.Histogram
	late        *hdrhistogram.Histogram
	connections uint64
	done        uint64
	errors      uint64
}

func newTally() *tally {
	t := &tally{failed: newHistogram(), late: newHistogram()}
	for op := range t.operations {
		t.operations[op] = OpResult{Op: codec.Op(op), Latency: newHistogram()}
	}
	return t
}

// reset forgets everything, and allocates nothing.
func (t *tally) reset() {
	t.failed.Reset()
	t.late.Reset()
	t.failures = [NumFailures]uint64{}
	t.connections, t.done, t.errors = 0, 0, 0
	for op := range t.operations {
		o := &t.operations[op]
		o.Latency.Reset()
		*o = OpResult{Op: o.Op, Latency: o.Latency}
	}
}

func (t *tally) answered(op codec.Op, r result, nanos int64) {
	o := &t.operations[op]
	switch r {
	case hit:
		o.Hits++
	case miss:
		o.Misses++
	case lost:
		o.Lost++
	}
	t.done++
	record(o.Latency, nanos)
}

func (t *tally) fail(op codec.Op, why Failure, nanos int64) {
	t.operations[op].Failed++
	t.failures[why]++
	t.done++
	t.errors++
	record(t.failed, nanos)
}
