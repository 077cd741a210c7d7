package main

import (
	"os"
	"regexp"
	"strconv"
	"testing"

	"distcache/codec"
	"distcache/internal/testkit"
)

// memoryBound is what the ready line says, in bytes.
func memoryBound(t *testing.T, process *testkit.Process) int64 {
	t.Helper()
	found := regexp.MustCompile(` memory_bound_mib=(\d+)`).FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line with the bound", process.Stderr())
	}
	mib, err := strconv.ParseInt(found[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return mib << 20
}

// TestMemoryBoundGrows with the number of clients.
func TestMemoryBoundGrows(t *testing.T) {
	t.Parallel()
	few, _ := start(t, nowhere(), "-maxclients", "1")
	many, _ := start(t, nowhere(), "-maxclients", "15000")
	if low, high := memoryBound(t, few), memoryBound(t, many); low >= high {
		t.Errorf("got bounds of %d and %d MB, want the second to be larger", low>>20, high>>20)
	}
}

// TestMemoryBound has more clients in the middle of large requests than there is memory
// for: the process stays below the bound that it printed, whoever asks in one piece is
// served, and afterwards all is as before.
func TestMemoryBound(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can look how much memory dc_client takes")
	}
	const clients = 5000
	needDescriptors(t, clients+500)
	up := testkit.NewUpstream(t, testkit.Loopback())
	process, at := startLinked(t, up.Endpoint())
	bound := memoryBound(t, process)
	honest := testkit.Dial(t, at)
	honest.ExpectStatus(testkit.Have(1, "nobody's"), codec.StatusNotOK)
	part := testkit.Ask(1, codec.OpAdd, make([]byte, codec.MaxPayload))[:codec.MaxPayload]
	most := int64(0)
	for n, conn := range connectMany(t, at, clients) {
		_ = conn.Write(part) // the end of those for whom there is no memory
		if n%50 != 0 {
			continue
		}
		vitals, err := testkit.ReadVitals(process.PID())
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, vitals.RSS)
		honest.ExpectStatus(testkit.Have(1, "nobody's"), codec.StatusNotOK)
	}
	if most > bound || most < poolBytes/2 {
		t.Errorf("got %d MB resident, want %d to %d", most>>20, poolBytes/2>>20, bound>>20)
	}
	process.WaitStderr(patience, "reason=no-memory")
	process.WaitStderr(patience, "reason=partial-timeout")
	honest.ExpectStatus(testkit.Have(1, "nobody's"), codec.StatusNotOK)
	mustKeepItsLink(t, up)
}
