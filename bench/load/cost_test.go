package load

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// TestOperationsAllocateNothing compares the allocations of a long run with those of a short one.
func TestOperationsAllocateNothing(t *testing.T) {
	at, _ := startFloor(t)
	for name, mode := range modes() {
		t.Run(name, func(t *testing.T) {
			allocated := func(operations uint64) uint64 {
				c := floorConfig(t, at, 1)
				mode(&c)
				c.Operations = operations
				var before, after runtime.MemStats
				c.OnMeasure = func() { runtime.ReadMemStats(&before) }
				runs(t, c)
				runtime.ReadMemStats(&after)
				return after.Mallocs - before.Mallocs
			}
			short, long := allocated(300), allocated(1300)
			if long > short+100 {
				t.Errorf("got %d allocations in 1,300 operations and %d in 300, want no more in the long run", long, short)
			}
		})
	}
}

// TestCostsLessThanTheFloor checks that the load takes less processor time than the floor that answers it.
func TestCostsLessThanTheFloor(t *testing.T) {
	if !kit.Full() {
		t.Skip("it compares processor time, which other work on the machine changes: DISTCACHE_FULL=1 runs this")
	}
	at, server := startFloor(t)
	own, floor := measureCost(t, at.Address, server.PID(), 2000, false, 100_000)
	t.Logf("%v per operation, the floor %v", own, floor)
	// BenchmarkCost gives the figures.
	if ratio := float64(own) / float64(floor); ratio < 0.3 || ratio > 1.1 {
		t.Errorf("got %v of processor time per operation and %v for the floor, want less than the floor", own, floor)
	}
}

// measureCost returns the processor time per operation of a load and of the floor that answers it.
func measureCost(t testing.TB, path string, pid, clients int, keepAlive bool, operations int) (own, floor time.Duration) {
	t.Helper()
	c := floorConfig(t, kit.Endpoint{Network: "unix", Address: path}, clients)
	c.KeepAlive, c.Operations = keepAlive, uint64(operations)
	before := time.Duration(0)
	c.OnMeasure = func() { before = processTime(t, pid) }
	r, err := Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return r.CPUPerOperation(), (processTime(t, pid) - before) / time.Duration(operations)
}

// BenchmarkCost tells the load's own processor time per operation beside the floor's.
func BenchmarkCost(b *testing.B) {
	for _, keepAlive := range []bool{false, true} {
		for _, clients := range []int{1, 16, 256, 2000, 10_000} {
			b.Run(fmt.Sprintf("keepalive=%t/clients=%d", keepAlive, clients), func(b *testing.B) {
				at, server := startFloor(b)
				b.ResetTimer()
				own, floor := measureCost(b, at.Address, server.PID(), clients, keepAlive, b.N)
				b.ReportMetric(float64(own.Nanoseconds()), "own-ns/op")
				b.ReportMetric(float64(floor.Nanoseconds()), "floor-ns/op")
				b.ReportMetric(float64(own)/float64(max(1, floor)), "own/floor")
			})
		}
	}
}
