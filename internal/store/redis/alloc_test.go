//go:build !race

package redis

import "testing"

// The race detector allocates by itself, hence the build constraint.

// TestTheLoopAllocatesNothing: what rueidis allocates is beside the loop.
func TestTheLoopAllocatesNothing(t *testing.T) {
	for name, run := range hotLoops(t) {
		run() // tables and buffers grow to their size
		run()
		if got := testing.AllocsPerRun(50, run); got != 0 {
			t.Errorf("%s: got %v allocations in 64 requests, want 0", name, got)
		}
	}
}
