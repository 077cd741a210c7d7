package plan

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"distcache/codec"
)

// Result is what one run measured. Histograms are in nanoseconds; latency counts from when an operation was begun, in an
// open loop from when it was due.
type Result struct {
	Config   Config
	Protocol string
	Calls    string        // how the kernel was called: "io_uring" or "system calls"
	Started  time.Time     // of the measurement
	Elapsed  time.Duration // from there to the end of the last operation

	Operations     [codec.NumOps]OpResult  // by codec.Op
	Failures       [NumFailures]uint64     // by Failure
	FailureLatency *hdrhistogram.Histogram // how long failed operations took

	Connections uint64 // that were opened
	Unstarted   uint64 // operations of an open loop that were due and found no free client until after the end
	// StartDelay is how late operations of an open loop were begun. It is part of their latency: mostly the wait for a
	// client whose operation before was not answered.
	StartDelay *hdrhistogram.Histogram

	CPU        CPU // of the loop's thread
	ProcessCPU CPU // of the whole process in the same time: that and the Go runtime's, if it does nothing else

	Violation *Violation // which ended the run, or nil
}

// OpResult is the share of one operation.
type OpResult struct {
	Op      codec.Op
	Hits    uint64                  // stored, found, removed
	Misses  uint64                  // there already (ADD), not found, as it must or may be
	Lost    uint64                  // not found though it should be; only with Config.Lossy
	Failed  uint64                  // got no service
	Latency *hdrhistogram.Histogram // of all but the failed ones
}

// Count returns how many there were in all.
func (o *OpResult) Count() uint64 { return o.Hits + o.Misses + o.Lost + o.Failed }

// Rate returns how many there were per second.
func (o *OpResult) Rate(elapsed time.Duration) float64 { return perSecond(o.Count(), elapsed) }

// Count returns the number of operations of all kinds, failed ones included.
func (r *Result) Count() uint64 { return r.sum((*OpResult).Count) }

// Failed returns the number of operations that got no service.
func (r *Result) Failed() uint64 { return r.sum(func(o *OpResult) uint64 { return o.Failed }) }

// Lost returns the number of operations that met a session which the cache had lost.
func (r *Result) Lost() uint64 { return r.sum(func(o *OpResult) uint64 { return o.Lost }) }

func (r *Result) hits() uint64   { return r.sum(func(o *OpResult) uint64 { return o.Hits }) }
func (r *Result) misses() uint64 { return r.sum(func(o *OpResult) uint64 { return o.Misses }) }

func (r *Result) sum(field func(*OpResult) uint64) uint64 {
	var n uint64
	for op := range r.Operations {
		n += field(&r.Operations[op])
	}
	return n
}

// Latency returns the latency of all operations together, without the failed ones.
func (r *Result) Latency() *hdrhistogram.Histogram {
	all := newHistogram()
	for op := range r.Operations {
		all.Merge(r.Operations[op].Latency)
	}
	return all
}

// CPUPerOperation returns the processor time of the whole process per operation: what the load took, where the process
// does nothing else.
func (r *Result) CPUPerOperation() time.Duration {
	return r.ProcessCPU.Total() / time.Duration(max(1, r.Count()))
}

func perSecond(n uint64, d time.Duration) float64 {
	if d <= 0 {
		return 0
	}
	return float64(n) / d.Seconds()
}

// The range of the histograms, and the relative precision: three digits.
const (
	latencyUnit   = 100 * time.Nanosecond
	latencyMax    = time.Hour
	latencyDigits = 3
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(latencyUnit), int64(latencyMax), latencyDigits)
}

// Record adds a latency in nanoseconds; one beyond latencyMax counts as that.
func Record(h *hdrhistogram.Histogram, nanos int64) {
	_ = h.RecordValue(max(0, min(nanos, int64(latencyMax))))
}

// Tally counts what was measured.
type Tally struct {
	Operations  [codec.NumOps]OpResult
	Failures    [NumFailures]uint64
	Failed      *hdrhistogram.Histogram
	Late        *hdrhistogram.Histogram
	Connections uint64
	Done        uint64
	Errors      uint64
}

// NewTally returns a tally of nothing.
func NewTally() *Tally {
	t := &Tally{Failed: newHistogram(), Late: newHistogram()}
	for op := range t.Operations {
		t.Operations[op] = OpResult{Op: codec.Op(op), Latency: newHistogram()}
	}
	return t
}

// Reset forgets everything, and allocates nothing.
func (t *Tally) Reset() {
	t.Failed.Reset()
	t.Late.Reset()
	t.Failures = [NumFailures]uint64{}
	t.Connections, t.Done, t.Errors = 0, 0, 0
	for op := range t.Operations {
		o := &t.Operations[op]
		o.Latency.Reset()
		*o = OpResult{Op: o.Op, Latency: o.Latency}
	}
}

// Answered counts an operation that was answered after so many nanoseconds.
func (t *Tally) Answered(op codec.Op, r Outcome, nanos int64) {
	o := &t.Operations[op]
	switch r {
	case Hit:
		o.Hits++
	case Miss:
		o.Misses++
	case lost:
		o.Lost++
	}
	t.Done++
	Record(o.Latency, nanos)
}

// Fail counts an operation without service, which ended after so many nanoseconds.
func (t *Tally) Fail(op codec.Op, why Failure, nanos int64) {
	t.Operations[op].Failed++
	t.Failures[why]++
	t.Done++
	t.Errors++
	Record(t.Failed, nanos)
}

// Failure is why an operation got no service. It is counted; it does not end the run.
type Failure uint8

// The failures.
const (
	FailedConnect      Failure = iota // the connection was refused, or not made in time
	FailedClosed                      // the connection ended before the answer
	FailedDisconnected                // the answer says that there is no service behind
	FailedTimeout                     // no answer in time; counted when Config.Lossy is set, else a violation
)

// NumFailures is the number of failures: tables by Failure have this length.
const NumFailures = 4

// String returns the name that reports use.
func (f Failure) String() string {
	return [NumFailures]string{"connect", "closed", "disconnected", "timeout"}[f]
}

// CPU is processor time from the kernel's accounting.
type CPU struct {
	User, System time.Duration
}

// Total returns both together.
func (c CPU) Total() time.Duration { return c.User + c.System }

// Minus returns the difference.
func (c CPU) Minus(earlier CPU) CPU {
	return CPU{User: c.User - earlier.User, System: c.System - earlier.System}
}
