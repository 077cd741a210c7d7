package store

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// killedConfig is small, so that nearly each ADD evicts, and each eviction moves a record.
func killedConfig(kept bool) Config { return Config{MaxSessions: 40, Kept: kept, Epoch: time.Hour} }

const killedIDs = 60

// killedID is one of the ids.
func killedID(n int) []byte { return fmt.Append(nil, "session ", n) }

// killedOperation is what the process that will be killed does as its i-th operation.
func killedOperation(m *Memory, seed, i uint64, data []byte) {
	rng := rand.New(rand.NewPCG(seed, i))
	id := killedID(rng.IntN(killedIDs))
	if rng.IntN(4) == 0 {
		m.Remove(id, 0)
		return
	}
	m.Add(id, killedData(data, i), time.Hour+time.Duration(rng.IntN(1_000_000))*time.Second, 0)
}

// killedData is the session of the i-th operation. There are five sizes, each of which is a class.
func killedData(b []byte, i uint64) []byte {
	b = b[:[]int{20, 180, 184, 3000, 30_000}[i%5]]
	for at := 0; at+8 <= len(b); at += 8 {
		binary.LittleEndian.PutUint64(b[at:], i*0x9e3779b97f4a7c15+uint64(at))
	}
	return b
}

// TestKilledWriter is the process that will be killed: it writes to the memfd on descriptor 3, and
// tells on descriptor 4 how many operations it has completed.
func TestKilledWriter(t *testing.T) {
	seed, err := strconv.ParseUint(os.Getenv("DISTCACHE_KILLED"), 10, 64)
	if err != nil {
		t.Skip("TestKeptSessionsOutliveAKill runs it")
	}
	m, err := Reopen(killedConfig(true), 3)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Adopt(0); err != nil {
		t.Fatal(err)
	}
	done := doneCount(t, 4)
	data := make([]byte, 30_000)
	for i := uint64(1); ; i++ {
		killedOperation(m, seed, i, data)
		done.Store(i)
	}
}

// doneCount maps the count of completed operations.
func doneCount(t *testing.T, fd int) *atomic.Uint64 {
	t.Helper()
	b, err := unix.Mmap(fd, 0, kernelPage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	must(t, err)
	return (*atomic.Uint64)(unsafe.Pointer(&b[0]))
}

// victim is such a process, and what must be in its memory.
type victim struct {
	t       *testing.T
	seed    uint64
	fd      int
	done    *atomic.Uint64
	process *kit.Process
	model   *Memory
	at      uint64            // operations that the model has done: one more than was completed
	before  [killedIDs]string // what the model had before the last of them
	data    []byte
}

func startVictim(t *testing.T, seed uint64) *victim {
	t.Helper()
	m, err := NewMemory(killedConfig(true))
	must(t, err)
	v := &victim{t: t, seed: seed, fd: leave(t, m), model: newMemory(t, killedConfig(false)), data: make([]byte, 30_000)}
	done, err := unix.MemfdCreate("done", unix.MFD_CLOEXEC)
	must(t, err)
	must(t, unix.Ftruncate(done, kernelPage))
	v.done = doneCount(t, done)
	v.process = kit.Command{Path: os.Args[0], Args: []string{"-test.run=^TestKilledWriter$"}, Env: []string{"DISTCACHE_KILLED=" + strconv.FormatUint(seed, 10)},
		Files: []*os.File{duplicate(t, v.fd), os.NewFile(uintptr(done), "done")}}.Start(t)
	v.process.Wait(kit.Patience, "first operations", func() bool { return v.done.Load() > 0 })
	return v
}

func duplicate(t *testing.T, fd int) *os.File {
	t.Helper()
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	must(t, err)
	return os.NewFile(uintptr(own), "memfd")
}

// check adopts what is in the memfd, and compares. All operations that were completed have had their
// effect, and of the one under way any part may have.
func (v *victim) check(fd int) Adoption {
	t := v.t
	t.Helper()
	m, err := Reopen(killedConfig(true), fd)
	must(t, err)
	defer m.Close()
	a, err := m.Adopt(0)
	must(t, err)
	checkInvariants(t, m, killedConfig(true))
	done := v.done.Load()
	for v.at <= done { // one further than done
		if v.at == done {
			v.before = contents(v.model)
		}
		v.at++
		killedOperation(v.model, v.seed, v.at, v.data)
	}
	got, after := contents(m), contents(v.model)
	for n := range killedIDs {
		if got[n] != v.before[n] && got[n] != after[n] {
			t.Fatalf("%s after %d operations: got %d bytes, %.16x…, want %d bytes, %.16x…, or %d bytes, %.16x…",
				killedID(n), done, len(got[n]), got[n], len(v.before[n]), v.before[n], len(after[n]), after[n])
		}
	}
	return a
}

// contents is what a Memory has for each id.
func contents(m *Memory) (all [killedIDs]string) {
	for n := range all {
		data, _ := m.View(killedID(n), 0)
		all[n] = string(data)
	}
	return all
}

// snapshot copies the memfd. The process must stand still.
func (v *victim) snapshot() int {
	t := v.t
	t.Helper()
	var st unix.Stat_t
	must(t, unix.Fstat(v.fd, &st))
	fd, err := createMemfd()
	must(t, err)
	must(t, unix.Ftruncate(fd, st.Size))
	buffer := make([]byte, pageSize)
	for at := int64(0); ; {
		from, err := unix.Seek(v.fd, at, unix.SEEK_DATA)
		if err == unix.ENXIO {
			break
		}
		must(t, err)
		n, err := unix.Pread(v.fd, buffer[:min(int64(len(buffer)), st.Size-from)], from)
		must(t, err)
		_, err = unix.Pwrite(fd, buffer[:n], from)
		must(t, err)
		at = from + int64(n)
	}
	must(t, unix.Fchmod(fd, 0o600))
	_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, keptSeals)
	must(t, err)
	return fd
}

// TestKeptSessionsOutliveAKill kills a process that writes at full speed, at random instants, and adopts
// its sessions: each that was stored is there, with its own bytes. Most instants are those at which the
// process is stopped, its memfd copied, and the process continued: what is there then is what a
// kill would have left.
func TestKeptSessionsOutliveAKill(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts processes")
	}
	random := kit.Random(t)
	kills, stops := kit.Sized(2, 200), kit.Sized(14, 49)
	torn, instants := 0, 0
	for range kills {
		v := startVictim(t, random.Uint64())
		for range stops {
			time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
			v.process.Signal(syscall.SIGSTOP)
			if v.check(v.snapshot()).Torn {
				torn++
			}
			v.process.Signal(syscall.SIGCONT)
		}
		time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
		v.process.Kill()
		if v.check(v.fd).Torn {
			torn++
		}
		instants += stops + 1
	}
	t.Logf("%d instants, %d of them within the write of a record", instants, torn)
}
