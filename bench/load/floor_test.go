package load

import (
	"distcache/bench/load/plan"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/internal/test/kit"
)

// startFloor runs bench/floor, which does the least that a server can do. Its cost is that of the kernel on the
// server's side.
func startFloor(t testing.TB) (kit.Endpoint, *kit.Process) {
	t.Helper()
	at := kit.Unix(t)
	process := kit.Start(t, kit.Tool("floor"), at.Address)
	process.WaitListening(patience, at)
	return at, process
}

// processTime is the processor time that a process has used, from the kernel's accounting in nanoseconds.
func processTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		t.Skip("this kernel does not tell processor time in nanoseconds")
	}
	sum := int64(0)
	for _, path := range threads {
		var nanos int64
		if text, err := os.ReadFile(path); err == nil {
			_, _ = fmt.Sscan(string(text), &nanos)
		}
		sum += nanos
	}
	return time.Duration(sum)
}

// floorConfig is a load of one-frame requests on the floor.
func floorConfig(t testing.TB, at kit.Endpoint, clients int) plan.Config {
	c := plan.DefaultConfig()
	c.Address = address.Address{Kind: address.Unix, Path: at.Address}
	c.Clients, c.Verify, c.Seed = clients, plan.VerifyFrames, 1
	c.DataMin, c.DataMax = plan.TLSDataMin, plan.TLSDataMax
	return c
}
