package store

import (
	"bufio"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// flagsOf reads the VmFlags of the mapping that begins at b, and how much of it is resident,
// from /proc/self/smaps.
func flagsOf(t *testing.T, b []byte) (flags []string, resident string) {
	t.Helper()
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer file.Close()
	start := fmt.Sprintf("%08x-", uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	ours := false
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case strings.Contains(fields[0], "-"):
			ours = strings.HasPrefix(fields[0], start)
		case ours && fields[0] == "Rss:":
			resident = fields[1]
		case ours && fields[0] == "VmFlags:":
			return fields[1:], resident
		}
	}
	t.Fatal("got no mapping of the records in /proc/self/smaps")
	return nil, ""
}

// TestRecordsLeaveNoTrace: the memory of the records is not in core dumps (dd) nor in child
// processes (wf), and with Locked not in swap (lo). None of it is taken before it is used.
func TestRecordsLeaveNoTrace(t *testing.T) {
	for _, locked := range []bool{false, true} {
		t.Run(fmt.Sprintf("locked=%v", locked), func(t *testing.T) {
			if locked && os.Geteuid() != 0 {
				t.Skip("only root may lock as much as it likes")
			}
			m, err := NewMemory(Config{MaxSessions: 10_000, Locked: locked})
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			flags, resident := flagsOf(t, m.slab.pages.arena)
			if resident != "0" {
				t.Errorf("got %s KB resident of an empty store, want 0", resident)
			}
			for flag, want := range map[string]bool{"dd": true, "wf": true, "lo": locked} {
				if slices.Contains(flags, flag) != want {
					t.Errorf("got flags %v, want %s: %v", flags, flag, want)
				}
			}
		})
	}
}

// TestLockedMemoryGoesBack: what sessions do not need any more is the kernel's again.
func TestLockedMemoryGoesBack(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may lock as much as it likes")
	}
	m, err := NewMemory(Config{MaxSessions: 2000, Locked: true})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	empty := m.Stats().Memory
	data := make([]byte, 16<<10)
	for i := range 2000 {
		m.Add(fmt.Appendf(nil, "%04d", i), data, time.Hour, 0)
	}
	full := m.Stats().Memory
	for i := range 2000 {
		m.Remove(fmt.Appendf(nil, "%04d", i), 0)
	}
	if unix.Madvise(m.slab.pages.bytes(0), unix.MADV_DONTNEED_LOCKED) != nil {
		t.Skip("before Linux 5.18 no locked memory goes back")
	}
	const kept = (warmPages + 1) * pageSize
	if after := m.Stats().Memory; full < 30<<20 || after-empty > kept+1<<20 {
		t.Errorf("got %d bytes, %d when full, %d when empty again, want back to %d more than at first", empty, full, after, kept)
	}
}
