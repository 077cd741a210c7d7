package process

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// controllers is where version 1 of the control groups is mounted.
const controllers = "/sys/fs/cgroup"

// cgroup is a control group that a test made. It is removed when the test's processes have ended.
type cgroup struct {
	t         *testing.T
	directory string
}

// newCgroup makes a group of that controller (“memory”), or skips the test.
func newCgroup(t *testing.T, controller string) cgroup {
	t.Helper()
	directory, err := os.MkdirTemp(filepath.Join(controllers, controller), "dc")
	if err != nil {
		t.Skipf("no control group can be made: %v", err)
	}
	g := cgroup{t, directory}
	t.Cleanup(func() {
		if !kit.Within(patience, func() bool { return os.Remove(directory) == nil }) {
			t.Errorf("got %s left behind, want it to be empty", directory)
		}
	})
	return g
}

func (g cgroup) set(file, value string) {
	g.t.Helper()
	if err := os.WriteFile(filepath.Join(g.directory, file), []byte(value), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (g cgroup) get(file string) string {
	g.t.Helper()
	text, err := os.ReadFile(filepath.Join(g.directory, file))
	if err != nil {
		g.t.Fatal(err)
	}
	return strings.TrimSpace(string(text))
}

func (g cgroup) number(file string) int {
	g.t.Helper()
	n, err := strconv.Atoi(g.get(file))
	if err != nil {
		g.t.Fatal(err)
	}
	return n
}

// run is the command, from its first instruction on within the group.
func (g cgroup) run(c kit.Command) kit.Command {
	return inShell(c, "echo $$ >"+g.directory+"/cgroup.procs")
}

// memoryBound is what the ready line says, in bytes.
func memoryBound(t *testing.T, process *kit.Process) int {
	t.Helper()
	return readyMebibytes(t, process, "memory_bound_mib")
}

// readyMebibytes is a figure of the ready line, in bytes.
func readyMebibytes(t *testing.T, process *kit.Process, name string) int {
	t.Helper()
	found := regexp.MustCompile(` ` + name + `=(\d+)`).FindStringSubmatch(process.Stderr())
	if found == nil {
		t.Fatalf("got %q, want a line with the bound", process.Stderr())
	}
	mib, err := strconv.Atoi(found[1])
	if err != nil {
		t.Fatal(err)
	}
	return mib << 20
}

// hoarders connects clients that make dc_client hold as much as they can: deaf ask
// for 32 KB over and over and read nothing, partial send 32 KB of a request that they never end.
func hoarders(t *testing.T, at kit.Endpoint, deaf, partial int, id string) {
	t.Helper()
	part := kit.Ask(1, codec.OpAdd, make([]byte, codec.MaxPayload))[:codec.MaxPayload]
	for n := range deaf + partial {
		var conn *kit.Conn
		var err error
		if !kit.Within(patience, func() bool { conn, err = kit.Connect(at); return err == nil }) {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		if n >= deaf {
			_ = conn.Write(part) // the end of those for whom there is no memory
			continue
		}
		for uid := range uint32(32) {
			if conn.Write(kit.Get(uid, id)) != nil {
				break
			}
		}
	}
}

// TestR05MemoryStaysWithinTheBound puts dc_client into a control group with exactly the memory
// that its ready line names. Clients that hoard are refused, others are served, and the kernel
// never refuses memory. The control group also counts the kernel's socket buffers, which the
// bound leaves out: up to 208 KB for each client that reads nothing. So there are few such
// clients.
func TestR05MemoryStaysWithinTheBound(t *testing.T) {
	t.Parallel()
	needRoot(t)
	group := newCgroup(t, "memory")
	up := kit.NewUpstream(t, kit.Loopback())
	const id = "large"
	up.Put(id, strings.Repeat("x", codec.MaxPayload), time.Hour)
	at := kit.Unix(t)
	client := program{name: "dc_client", path: kit.Tool("dc_client"), args: []string{"-server", up.Endpoint().String(), "-timeout", "60000"}}
	process := group.run(client.command("-listen", at.String(), "-maxclients", "3000")).Start(t)
	process.WaitStderr(patience, "connected to dc_server")
	bound := memoryBound(t, ready(process))
	group.set("memory.limit_in_bytes", strconv.Itoa(bound))

	honest := kit.Dial(t, at)
	const tries = 3 // what is held is given up in time: hoarding must be faster than that
	for try := 0; !strings.Contains(process.Stderr(), "reason=no-memory"); try++ {
		if try == tries {
			t.Skip("this machine is too busy to hoard as fast as clients are given up")
		}
		hoarders(t, at, 150, 1500, id)
		kit.Within(time.Second, func() bool { return strings.Contains(process.Stderr(), "reason=no-memory") })
	}
	for range 100 {
		honest.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	}
	most, failed := group.number("memory.max_usage_in_bytes"), group.number("memory.failcnt")
	t.Logf("%d MiB at most within a bound of %d MiB; the limit was met %d times", most>>20, bound>>20, failed)
	if most > bound || failed > 0 {
		t.Errorf("got %d MiB and the limit met %d times, want at most %d MiB", most>>20, failed, bound>>20)
	}
	if most < 32<<20 {
		t.Errorf("got %d MiB, want the clients to have hoarded more", most>>20)
	}
	mustEnd(t, process)
}

// TestF02NonReadersStayWithinBothBounds puts dc_client into a control group of both bounds that
// its ready line tells and a fifth more. Clients that read nothing fill their sockets: all of it
// is counted, and the kernel neither refuses memory nor kills dc_client.
func TestF02NonReadersStayWithinBothBounds(t *testing.T) {
	t.Parallel()
	needRoot(t)
	deaf := kit.Sized(100, 1000)
	group := newCgroup(t, "memory")
	up := kit.NewUpstream(t, kit.Loopback())
	const id = "large"
	up.Put(id, strings.Repeat("x", codec.MaxPayload), time.Hour)
	at := kit.Unix(t)
	client := program{name: "dc_client", path: kit.Tool("dc_client"), args: []string{"-server", up.Endpoint().String(), "-timeout", "60000"}}
	process := group.run(client.command("-listen", at.String(), "-maxclients", strconv.Itoa(deaf+1))).Start(t)
	process.WaitStderr(patience, "connected to dc_server")
	kernelBound := readyMebibytes(t, ready(process), "kernel_bound_mib")
	bound := memoryBound(t, process) + kernelBound
	kernelBefore := group.number("memory.kmem.usage_in_bytes") // stacks of threads, tables of pages
	group.set("memory.limit_in_bytes", strconv.Itoa(bound+bound/5))

	honest := kit.Dial(t, at)
	honest.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	hoarders(t, at, deaf, 0, id)
	held := deaf * 128 << 10 // most of what each socket can hold
	kernel := func() int { return group.number("memory.kmem.max_usage_in_bytes") - kernelBefore }
	full := kit.Within(patience/4, func() bool { return kernel() > held })
	honest.ExpectStatus(kit.Have(1, "nobody's"), codec.StatusNotOK)
	most, failed := group.number("memory.max_usage_in_bytes"), group.number("memory.failcnt")
	t.Logf("%d MiB at most with %d clients that read nothing, %d of them the kernel's, within bounds of %d and %d MiB; the limit was met %d times",
		most>>20, deaf, kernel()>>20, bound>>20, kernelBound>>20, failed)
	if kernel() > kernelBound {
		t.Errorf("got %d MiB in the kernel, want at most %d MiB", kernel()>>20, kernelBound>>20)
	}
	if most > bound || failed > 0 {
		t.Errorf("got %d MiB and the limit met %d times, want at most %d MiB and never", most>>20, failed, bound>>20)
	}
	mustEnd(t, process)
	if !full {
		t.Skipf("got %d MiB in the kernel, want more than %d MiB: this machine is too busy to fill the sockets before such clients are closed",
			kernel()>>20, held>>20)
	}
}

// TestR05SessionsFitTheControlGroup puts dc_server into a control group of 512 MiB, with
// default flags and with those of the quick start. Large sessions must be evicted before
// the kernel refuses memory (or kills dc_server).
func TestR05SessionsFitTheControlGroup(t *testing.T) {
	t.Parallel()
	needRoot(t)
	const size = 30_000
	limit := kit.Sized(400, 512) << 20
	for _, args := range kit.Chosen(t, [][]string{nil, {"-sessions", "1000000"}}) {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			group := newCgroup(t, "memory")
			group.set("memory.limit_in_bytes", strconv.Itoa(limit))
			at := kit.Unix(t)
			server := program{name: "dc_server", path: kit.Tool("dc_server"), args: args}
			process := ready(group.run(server.command("-listen", at.String())).Start(t))
			if bound := memoryBound(t, process); bound > limit {
				t.Errorf("got a bound of %d MiB, want %d at most", bound>>20, limit>>20)
			}
			mustName(t, process.Stderr(), fmt.Sprintf(" memory_limit_mib=%d ", limit>>20), " sessions_mib_by=control-group\n")
			client := kit.Dial(t, at)
			data := strings.Repeat("x", size)
			for n := range kit.Sized(2000, 20_000) {
				client.ExpectStatus(kit.Add(1, fmt.Sprint("session ", n), data, time.Hour), codec.StatusOK)
			}
			process.WaitStderr(patience, "-memory is too small")
			if failed := group.number("memory.failcnt"); failed > 0 {
				t.Errorf("got the limit met %d times, want never", failed)
			}
			t.Logf("%d MiB at most", group.number("memory.max_usage_in_bytes")>>20)
			mustEnd(t, process)
		})
	}
}

// TestR11NoMoreThreads takes the threads from a running daemon, which must not notice. It also
// starts daemons where the kernel grants no threads, or too few. Those must exit with a message
// before they have created anything.
func TestR11NoMoreThreads(t *testing.T) {
	needRoot(t)
	forEach(t, func(t *testing.T, p program) {
		p = p.linked(t)
		at := kit.Unix(t)
		tight := newCgroup(t, "pids")
		process := ready(tight.run(p.command("-listen", at.String())).Start(t))
		if p.name == "dc_client" {
			process.WaitStderr(patience, "connected to dc_server")
		}
		tight.set("pids.max", fmt.Sprint(tight.number("pids.current")))
		for range 50 {
			p.mustServe(t, at)
		}
		mustEnd(t, process)

		for _, few := range []int{1, 6, 9} { // it reserves 9, beside those that Go has for itself
			group := newCgroup(t, "pids")
			group.set("pids.max", fmt.Sprint(few))
			failed := group.run(p.command("-listen", at.String())).Start(t)
			if code := failed.Exit(patience); code == 0 {
				t.Errorf("got exit code 0 with %d threads, want another", few)
			}
			mustName(t, failed.Stderr(), "thread")
			if _, err := os.Stat(at.Address); err == nil {
				t.Fatalf("got %s left behind by one that may have %d threads, want nothing", at.Address, few)
			}
		}
	})
}
