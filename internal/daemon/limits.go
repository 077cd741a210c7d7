package daemon

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"distcache/codec/address"
	"distcache/engine"
	"distcache/engine/secure"
	"distcache/internal/daemon/service"
)

const (
	// otherDescriptors is how many the process needs beside its clients' with one event
	// loop and one listening socket, and loopDescriptors how many each further loop takes.
	otherDescriptors = 64
	loopDescriptors  = 16
	// listenDescriptors is how many each further listening socket takes in each loop: itself,
	// a spare one, its file and the directory of that.
	listenDescriptors = 4
	// upstreamDescriptors is how many each further dc_server takes in each loop: a connection, or an attempt to make one.
	upstreamDescriptors = 2
)

// fitDescriptors raises the limit of open descriptors to what the clients need. Where it
// stays lower, it lowers MaxClients and gives a warning.
func (c *Config) fitDescriptors() (warning string, err error) {
	c.inherited = service.CountInherited()
	want := c.MaxClients + c.ownDescriptors()
	got, err := service.RaiseNofile(want)
	if got >= want {
		return "", nil
	}
	asked := c.MaxClients
	c.MaxClients = got - c.ownDescriptors()
	if c.MaxClients < 1 {
		few := fmt.Sprintf("the limit of open descriptors is %d, but the daemon needs %s: raise the limit (ulimit -n, LimitNOFILE= of systemd)",
			got, c.otherText("for itself"))
		if err != nil {
			return "", fmt.Errorf("%s: %w", few, err)
		}
		return "", errors.New(few)
	}
	return fmt.Sprintf("client limit lowered from %d to %d: the limit of open descriptors is %d, but %d clients need %d (%d and %s); "+
		"raise the limit (ulimit -n, LimitNOFILE= of systemd)", asked, c.MaxClients, got, asked, want, asked, c.otherText("for the daemon itself")), nil
}

// ownDescriptors is how many descriptors the process needs beside its clients', with those
// that it has inherited. So many are left when all clients are there, and the connection to
// dc_server always gets one.
func (c Config) ownDescriptors() int {
	listeners := max(1, len(c.Flags.Listen), len(c.Flags.passed())) + len(c.doorAddresses())
	own := otherDescriptors + (c.loops()-1)*loopDescriptors + (listeners-1)*c.loops()*listenDescriptors + c.inherited
	own += max(0, c.Upstreams-1) * c.loops() * upstreamDescriptors
	if c.Flags.Metrics.on() {
		own += metricsDescriptors
	}
	if c.Handover != nil {
		own += handoverDescriptors
	}
	return own
}

// otherText tells what descriptors that are not for clients are for.
func (c Config) otherText(own string) string {
	text := fmt.Sprintf("%d %s", c.ownDescriptors()-c.inherited, own)
	if c.inherited > 0 {
		text += fmt.Sprintf(" and %d open already", c.inherited)
	}
	return text
}

// arithmetic shows how the limits of descriptors and memory are computed.
func (c Config) arithmetic() string {
	overTLS := ""
	if n := c.secureClients(); n > 0 {
		overTLS = fmt.Sprintf(" + %d of them over TLS x %d B", n, secure.ClientMemory)
	}
	return fmt.Sprintf("  descriptors %d = %d clients + %s\n"+
		"  memory bound %d MiB = %d x (2 x %d MiB buffers + %d clients x %d B%s + %d MiB tables) + %d MiB program + %d MiB sessions\n%s",
		c.MaxClients+c.ownDescriptors(), c.MaxClients, c.otherText("for the daemon itself"),
		Mebibytes(c.MemoryBound()), heapSlack, Mebibytes(int64(c.PoolBytes)), c.MaxClients, c.perClient(), overTLS,
		Mebibytes(c.Memory.Heap), runtimeMemory>>20, Mebibytes(c.Memory.OffHeap), c.Memory.Text)
}

// Mebibytes rounds up.
func Mebibytes(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// memoryWarning tells that the bound is more than the process may take, or is "".
func (c Config) memoryWarning() string {
	bound := c.MemoryBound()
	if c.Limit.Bytes == 0 || bound <= c.Limit.Bytes {
		return ""
	}
	owner := "this machine has"
	if c.Limit.Path != "" {
		owner = "the control group's limit (" + c.Limit.Path + ") is"
	}
	return fmt.Sprintf("the memory bound is %d MiB, but %s %d MiB: the kernel may kill or slow down the daemon "+
		"when sessions and clients fill it; -check shows what makes up the bound", Mebibytes(bound), owner, c.Limit.Bytes>>20)
}

// Memory is the most that an App takes beside its clients, in bytes.
type Memory struct {
	Heap    int64 // tables and buffers
	OffHeap int64 // memory that the Go runtime does not manage
	// Text is whole lines that explain OffHeap to the reader of -check.
	Text string
}

const (
	// clientMemory is the memory of a client, in bytes, and entryMemory that of its entry in
	// the tables of each loop. The tables are indexed by descriptor, so a loop has entries
	// for the clients of the other loops too. Doubled because tables grow by doubling.
	clientMemory = 2 * 88
	entryMemory  = 2 * 168
	// runtimeMemory is the Go runtime, the program and its stacks, in bytes.
	runtimeMemory = 32 << 20
	// heapSlack is how many times the memory in use the heap may take before it is
	// collected.
	heapSlack = 2
)

// boundMemory sets the collector's memory limit, and returns the bound of the process's
// resident memory, in bytes.
func (c Config) boundMemory() int64 {
	debug.SetMemoryLimit(c.heapBound())
	return c.MemoryBound()
}

// MemoryBound computes the bound of the process's resident memory from its limits, in bytes.
func (c Config) MemoryBound() int64 { return c.heapBound() + c.Memory.OffHeap }

func (c Config) heapBound() int64 {
	heap := 2*int64(c.PoolBytes) + int64(c.MaxClients)*c.perClient() + int64(c.secureClients())*secure.ClientMemory + c.Memory.Heap
	if c.Flags.Metrics.on() {
		heap += metricsMemory
	}
	return heapSlack*heap + runtimeMemory
}

// secureClients is how many clients may use TLS.
func (c Config) secureClients() int {
	if !c.Flags.ListensSecurely() {
		return 0
	}
	return min(c.MaxClients, engine.MaxSecure)
}

// perClient is what a client takes in all tables, in bytes.
func (c Config) perClient() int64 { return clientMemory + int64(c.loops())*entryMemory }

// gcPercent lets the heap grow to five times the memory in use before it is collected.
// Both that memory and the rate of garbage are small, so collections are rare. The memory
// limit, not this, keeps the process within its bound.
const gcPercent = 400

// spareThreads is how many threads a process has beside one for each loop: for system
// calls that may run at the same time (log, name resolution, collector, signals), with a
// margin.
const spareThreads = 8

// tuneRuntime fits Go's scheduler and collector to a process that is event loops and
// little else. GOMAXPROCS and GOGC in the environment take precedence.
//
// With a processor to spare the scheduler wakes a second thread each time that a loop wakes up, to
// look for more work. There is none, and that thread may take the loop over (bench/NOTES.md).
func tuneRuntime(processors int) {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(processors)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	// Go collects every two minutes, but only after a first collection. Without this one
	// the garbage of hours would be kept, up to 16 MiB.
	runtime.GC()
}

// reserveThreads has Go start its threads now. Go keeps the threads that it has, and ends
// the process when it needs one more and the kernel refuses (a pids control group that is
// full, RLIMIT_NPROC). That must happen at the start or never (docs/RELIABILITY.md, R11).
func reserveThreads(loops int) {
	var held, started sync.WaitGroup
	held.Add(1)
	for range loops + spareThreads {
		started.Add(1)
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			held.Wait()
		}()
	}
	started.Wait()
	held.Done()
}

// kernelMemory bounds what the kernel holds for the sockets of clients that do not read. It is
// not memory of the process, but a control group counts both.
type kernelMemory struct {
	clients   int64
	perClient int64 // bytes
	limit     int64 // of all clients together, in bytes; 0: none
}

const (
	// socketMemory is what a connection takes with nothing in it, in bytes.
	socketMemory = 4 << 10
	// sendOverrun is how much the last piece written may be over the limit of a unix
	// socket, in bytes.
	sendOverrun = 32 << 10
)

// kernelMemory computes the bound with the kernel's settings, which sysctl reads. A socket that
// is passed in may be TCP, where the kernel holds more.
func (c Config) kernelMemory(sysctl func(name string, field int) (int64, bool)) kernelMemory {
	setting := func(name string, field int, usual int64) int64 {
		if n, ok := sysctl(name, field); ok {
			return n
		}
		return usual
	}
	unix := socketMemory + sendOverrun + setting("net/core/wmem_default", 0, 212992)
	tcp := socketMemory + setting("net/ipv4/tcp_wmem", 2, 4<<20) + setting("net/ipv4/tcp_rmem", 2, 6<<20)
	m := kernelMemory{clients: int64(c.MaxClients)}
	isUnix := func(a address.Address) bool { return a.Kind == address.Unix }
	listen := append(slices.Clone(c.Flags.Listen), c.doorAddresses()...)
	switch {
	case !slices.ContainsFunc(listen, isUnix):
		m.perClient, m.limit = tcp, setting("net/ipv4/tcp_mem", 2, 0)*int64(os.Getpagesize())
	case slices.IndexFunc(listen, func(a address.Address) bool { return !isUnix(a) }) < 0:
		m.perClient = unix
	default: // all clients may come by either
		m.perClient = max(unix, tcp)
	}
	return m
}

// bytes is the bound.
func (m kernelMemory) bytes() int64 {
	all := m.clients * m.perClient
	if m.limit > 0 {
		return min(all, m.limit)
	}
	return all
}

// arithmetic shows how the bound is computed.
func (m kernelMemory) arithmetic() string {
	limit := ""
	if m.limit > 0 {
		limit = fmt.Sprintf(", at most %d MiB (net.ipv4.tcp_mem)", Mebibytes(m.limit))
	}
	return fmt.Sprintf("  kernel bound %d MiB = %d clients that do not read x %d KiB of socket buffers%s\n",
		Mebibytes(m.bytes()), m.clients, m.perClient>>10, limit)
}

// readSysctl reads a field of a setting of the kernel, from 0. It reports false without /proc.
func readSysctl(name string, field int) (int64, bool) {
	text, err := os.ReadFile("/proc/sys/" + name)
	fields := strings.Fields(string(text))
	if err != nil || field >= len(fields) {
		return 0, false
	}
	n, err := strconv.ParseInt(fields[field], 10, 64)
	return n, err == nil
}
