package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/codec"
	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/front"
	"distcache/internal/test/kit"
)

// memoryBound is what the ready line says, in bytes.
func memoryBound(t *testing.T, process *kit.Process) int64 {
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
	const clients = 2500
	needDescriptors(t, 3*clients+500)
	up := kit.NewUpstream(t, kit.Loopback())
	process, at := startLinked(t, up.Endpoint())
	bound := memoryBound(t, process)
	honest := kit.Dial(t, at)
	honest.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	most, full := int64(0), false
	for try := 0; try < 3 && !full; try++ {
		began := time.Now()
		most = max(most, sendHalves(t, process, connectMany(t, at, clients), honest))
		full = time.Since(began) < front.WholeTimeout || strings.Contains(process.Stderr(), "reason=no-memory")
	}
	if !full {
		t.Skipf("this machine is too busy to send %d halves of requests before the first times out", clients)
	}
	if most > bound || most < poolBytes/2 {
		t.Errorf("got %d MB resident, want %d to %d", most>>20, poolBytes/2>>20, bound>>20)
	}
	process.WaitStderr(patience, "reason=no-memory")
	process.WaitStderr(patience, "reason=partial-timeout")
	honest.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	mustKeepItsLink(t, up)
}

// sendHalves sends most of a large request on each connection, while the honest client is
// served, and gives the most memory that the process took meanwhile.
func sendHalves(t *testing.T, process *kit.Process, conns []*kit.Conn, honest *kit.Client) (most int64) {
	t.Helper()
	part := kit.Ask(1, codec.OpAdd, make([]byte, codec.MaxPayload))[:codec.MaxPayload]
	for n, conn := range conns {
		_ = conn.Write(part) // the end of those for whom there is no memory
		if n%50 != 0 {
			continue
		}
		vitals, err := kit.ReadVitals(process.PID())
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, vitals.RSS)
		honest.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	}
	return most
}

// checkedBound is the bound that -check prints, in bytes.
func checkedBound(t *testing.T, args ...string) int64 {
	t.Helper()
	var stdout, stderr strings.Builder
	args = append(args, "-check", "-server", nowhere().String(), "-listen", kit.Unix(t).String())
	if code := run(args, &stdout, &stderr); code != 0 || stderr.Len() > 0 {
		t.Fatalf("got exit code %d, %s", code, stderr.String())
	}
	var mib int64
	_, after, _ := strings.Cut(stdout.String(), "  memory bound ")
	if _, err := fmt.Sscanf(after, "%d MiB", &mib); err != nil {
		t.Fatalf("got %q, %v, want the bound", stdout.String(), err)
	}
	return mib << 20
}

// TestK08MemoryBoundCountsTheTablesOfEachLoop: descriptors are numbered through the process, so
// the tables of each loop grow to the highest, however few of the clients are its own.
func TestK08MemoryBoundCountsTheTablesOfEachLoop(t *testing.T) {
	const highest, loops = 16_000, 8
	needDescriptors(t, highest+500)
	given := checkedBound(t, "-loops", "8", "-maxclients", "16000") - checkedBound(t, "-loops", "8", "-maxclients", "1")
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var all []*engine.Clients
	for range loops {
		all = append(all, oneClient(t, highest))
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(all)
	taken := int64(after.HeapAlloc) - int64(before.HeapAlloc)
	// Half of what the bound gives is for what the collector has not done yet.
	if t.Logf("%d MB taken, %d MB given", taken>>20, given/2>>20); taken > given/2 {
		t.Errorf("got %d MB in tables, want %d MB at most", taken>>20, given/2>>20)
	}
}

// oneClient is an event loop as dc_client makes it, and one client with that descriptor.
func oneClient(t *testing.T, fd int) *engine.Clients {
	t.Helper()
	loop, err := engine.NewLoop()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		loop.Stop()
		_ = loop.Run() // returns at once, which frees it
	})
	var c config
	if _, err := c.parse([]string{"-server", nowhere().String()}); err != nil {
		t.Fatal(err)
	}
	a := &app{config: c}
	clients := engine.NewClients(loop, buffer.NewPool(0))
	handlers, err := a.Open(loop, clients, buffer.NewPool(0))
	if err != nil {
		t.Fatal(err)
	}
	clients.Serve(handlers...)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	high, err := unix.FcntlInt(uintptr(pair[0]), unix.F_DUPFD_CLOEXEC, fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = unix.Close(pair[0]), unix.Close(pair[1]) })
	if err := clients.Adopt(high); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { clients.Close(high) })
	return clients
}
