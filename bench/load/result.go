package load

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

// Rate returns the operations per second, failed ones included.
func (r *Result) Rate() float64 { return perSecond(r.Count(), r.Elapsed) }

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
