//go:build linux && !race

package store

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"testing"
	"time"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// resident is the resident set of this process, in bytes.
func resident(t testing.TB) int64 {
	t.Helper()
	debug.FreeOSMemory()
	return statm(t, 1)
}

// statm is a field of /proc/self/statm, in bytes: 0 the address space, 1 the resident set.
func statm(t testing.TB, field int) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		t.Fatal(err)
	}
	pages, err := strconv.ParseInt(string(bytes.Fields(b)[field]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return pages * int64(os.Getpagesize())
}

// TestAddressSpaceThatCannotBeHadIsAnError leaves room for the index and not for the
// records, and checks that the index is given back. The Go runtime may reserve address
// space of its own meanwhile, 64 MiB at a time. An index that is not given back shows in
// every attempt, and the runtime's only in some.
func TestAddressSpaceThatCannotBeHadIsAnError(t *testing.T) {
	c := Config{MaxSessions: 1_000_000}
	const attempts = 20
	least := int64(math.MaxInt64)
	for range attempts {
		m, more, err := newMemoryWithin(t, c, c.index()+1<<30)
		if m != nil || !errors.Is(err, ErrMemory) || !errors.Is(err, unix.ENOMEM) {
			t.Fatalf("NewMemory: got %v, %v, want ErrMemory and ENOMEM", m, err)
		}
		if least = min(least, more); least <= c.index()/2 {
			return
		}
	}
	t.Errorf("address space after the failure: got %d bytes more at least, want the index of %d given back", least, c.index())
}

// newMemoryWithin is NewMemory with room bytes of address space to be had. It also gives by
// how much the process's address space has grown.
func newMemoryWithin(t *testing.T, c Config, room int64) (m *Memory, more int64, err error) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &old); err != nil {
		t.Fatal(err)
	}
	before := statm(t, 0)
	limit := unix.Rlimit{Cur: uint64(before + room), Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &limit); err != nil {
		t.Fatal(err)
	}
	m, err = NewMemory(c)
	more = statm(t, 0) - before
	if err := unix.Setrlimit(unix.RLIMIT_AS, &old); err != nil {
		t.Fatal(err)
	}
	return m, more, err
}

var largeFlag = flag.Bool("large", false, "also measure 1,000,000 and 10,000,000 sessions: 3 GB of memory")

func TestASessionCostsAtMost64BytesOverItsOwn(t *testing.T) {
	counts := []int{200_000}
	if *largeFlag {
		counts = append(counts, 1_000_000, 10_000_000)
	}
	for _, sessions := range counts {
		t.Run(strconv.Itoa(sessions), func(t *testing.T) { checkCost(t, sessions) })
	}
}

func checkCost(t *testing.T, sessions int) {
	before := resident(t)
	m := newMemory(t, Config{MaxSessions: sessions})
	fill(t, m, sessions, benchDataLen, func(int) time.Duration { return time.Hour })
	real := resident(t) - before
	s := m.Stats()
	for _, test := range []struct {
		name string
		got  int64
	}{
		{"by Stats", s.Memory - s.Bytes},
		{"by the kernel", real - s.Bytes},
	} {
		got := float64(test.got) / float64(sessions)
		t.Logf("%s: %.1f bytes a session over id and data", test.name, got)
		if got < 25 || got > 64 {
			t.Errorf("%s: got %.1f bytes a session over id and data, want 25 to 64", test.name, got)
		}
	}
	if real < s.Memory*97/100 || real > s.Memory*103/100 {
		t.Errorf("memory: got %d by Stats, want the kernel's %d, give or take 3 %%", s.Memory, real)
	}
}

// TestR12AFullStoreStaysAsLargeAsItIs adds 250,000 sessions where 50,000 fit, and 10,000,000
// in the long form. An ADD that evicts takes less than a millisecond (p99).
func TestR12AFullStoreStaysAsLargeAsItIs(t *testing.T) {
	const sessions = 50_000
	adds := kit.Sized[uint64](210_000, 10_000_000)
	m := newMemory(t, Config{MaxSessions: sessions})
	id, data := make([]byte, benchIDLen), make([]byte, 2000)
	n, slow := uint64(0), uint64(0)
	add := func(upTo uint64) {
		for ; n < upTo; n++ {
			began := time.Now()
			m.Add(numberedID(id, n), data[:1+n*7919%uint64(len(data))], time.Hour, time.Duration(n))
			if time.Since(began) >= time.Millisecond {
				slow++
			}
		}
	}
	add(3 * sessions)
	before, realBefore := m.Stats().Memory, resident(t)
	add(adds)
	after, realAfter := m.Stats().Memory, resident(t)
	if after < before*98/100 || after > before*102/100 {
		t.Errorf("memory by Stats after %d ADDs: got %d, want %d, give or take 2 %%", adds, after, before)
	}
	if realAfter < realBefore*98/100 || realAfter > realBefore*102/100 {
		t.Errorf("memory by the kernel after %d ADDs: got %d, want %d, give or take 2 %%", adds, realAfter, realBefore)
	}
	if got, want := m.Stats().Evicted, adds-sessions; got != want {
		t.Errorf("evicted: got %d, want %d", got, want)
	}
	t.Logf("%d of %d ADDs took a millisecond or more; memory %d to %d bytes", slow, adds, realBefore, realAfter)
	if slow > adds/100 {
		kit.TooSlow(t, "got %d of %d ADDs that took a millisecond or more, want 1 %% at most", slow, adds)
	}
}

// TestASmallStoreTakesLittle keeps what is reserved for the worst from being taken.
func TestASmallStoreTakesLittle(t *testing.T) {
	before := resident(t)
	m := newMemory(t, Config{MaxSessions: 10_000_000})
	fill(t, m, 64, benchDataLen, func(int) time.Duration { return time.Hour })
	if got := m.slab.pages.resident + m.expiry.resident(); got <= 0 || got > 64<<10 {
		t.Errorf("records and expiry of 64 sessions: got %d bytes, want at most 64 KiB", got)
	}
	if got := resident(t) - before; got > 96<<20 {
		t.Errorf("64 sessions where 10,000,000 may come: got %d bytes resident, want at most the table's 80 MB", got)
	}
}
