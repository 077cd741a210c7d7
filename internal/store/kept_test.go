package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"

	"golang.org/x/sys/unix"
)

// keptConfig is a small store whose clock began an hour after the machine's.
func keptConfig() Config { return Config{MaxSessions: 1000, Kept: true, Epoch: time.Hour} }

// reopen takes over a Memory that was left, and closes it with the test.
func reopen(t *testing.T, c Config, fd int) *Memory {
	t.Helper()
	m, err := Reopen(c, fd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

// leave leaves a Memory.
func leave(t *testing.T, m *Memory) int {
	t.Helper()
	fd, err := m.Leave()
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// filled is a Memory with sessions 0 to n-1, numbered in the order of their expiry.
func filled(t *testing.T, c Config, n int) *Memory {
	t.Helper()
	m, err := NewMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		mustAdd(t, m, fmt.Sprint("session ", i), strings.Repeat("x", 1+i%3*2000), time.Hour+time.Duration(i)*time.Second, 0)
	}
	return m
}

// mustHold checks which of the sessions of filled are there.
func mustHold(t *testing.T, m *Memory, n int, want func(i int) bool) {
	t.Helper()
	for i := range n {
		data, ok := m.View(fmt.Append(nil, "session ", i), 0)
		if ok != want(i) || ok && string(data) != strings.Repeat("x", 1+i%3*2000) {
			t.Fatalf("session %d: got %d bytes, %v, want %v", i, len(data), ok, want(i))
		}
	}
}

// TestKeptSessionsAreAdopted does everything to a store, again and again by another Memory over the
// same memfd, and compares with the naive store.
func TestKeptSessionsAreAdopted(t *testing.T) {
	rng := kit.Random(t)
	for _, c := range []Config{{MaxSessions: 1}, {MaxSessions: 64}, {MaxSessions: 1000}, {MaxSessions: 1000, MaxBytes: MinBytes}} {
		t.Run(fmt.Sprint(c.MaxSessions, " in ", c.MaxBytes), func(t *testing.T) {
			c.Kept, c.Epoch = true, 1234567891*time.Microsecond
			p := newPair(t, c, rng.IntN)
			for range kit.Sized(3, 50) {
				for range 1000 {
					p.step()
				}
				p.memory.Expire(p.now, p.memory.Len())
				p.naive.expire(p.now, len(p.naive.order))
				fd, err := p.memory.Leave()
				if err != nil {
					t.Fatal(err)
				}
				p.memory = reopen(t, c, fd)
				a, err := p.memory.Adopt(p.now)
				if err != nil || !a.Clean || a.Torn || a.Evicted > 0 {
					t.Fatalf("got %+v, %v, want a clean one", a, err)
				}
				checkInvariants(t, p.memory, c)
				p.compareAdopted(a)
			}
		})
	}
}

// compareAdopted looks for all sessions of the naive store, and empties both. Expiry times are rounded
// down to milliseconds by an adoption.
func (p *pair) compareAdopted(a Adoption) {
	p.t.Helper()
	missing := 0
	for _, s := range p.naive.order {
		data, ok := p.memory.View([]byte(s.id), p.now)
		if ok && !bytes.Equal(data, s.data) {
			p.t.Fatalf("session %x: got %d bytes, want %d", s.id, len(data), len(s.data))
		}
		if !ok {
			if missing++; s.deadline >= p.now+time.Millisecond {
				p.t.Fatalf("session %x: got none, want it for %v more", s.id, s.deadline-p.now)
			}
		}
	}
	if missing != a.Expired || a.Sessions != len(p.naive.order)-missing {
		p.t.Fatalf("got %+v, want %d sessions and %d expired", a, len(p.naive.order)-missing, missing)
	}
	for p.memory.Len() > 0 {
		p.memory.dropSoonest(p.now)
	}
	p.naive = newNaive(p.config)
}

// TestKeptExpiryGoesOn: the time between two processes counts, and nothing lives longer than it was to.
func TestKeptExpiryGoesOn(t *testing.T) {
	c := keptConfig()
	m := filled(t, c, 0)
	mustAdd(t, m, "brief", "x", 10*time.Second, 0)
	mustAdd(t, m, "long", "x", time.Minute, 0)
	c.Epoch += 30 * time.Second
	m = reopen(t, c, leave(t, m))
	a, err := m.Adopt(0)
	if want := (Adoption{Sessions: 1, Expired: 1, Clean: true}); err != nil || a != want {
		t.Fatalf("got %+v, %v, want %+v", a, err, want)
	}
	if !m.Have([]byte("long"), 30*time.Second-time.Millisecond) || m.Have([]byte("long"), 30*time.Second+tick+1) {
		t.Error("got the long session at a wrong time, want it for 30 s more")
	}
}

// TestKeptLimits: with lower limits what expires last is kept, and with higher ones there is more room.
func TestKeptLimits(t *testing.T) {
	const n = 1000
	for _, row := range []struct {
		name   string
		config Config
		more   int
	}{
		{"fewer sessions", Config{MaxSessions: 100}, 0},
		{"fewer bytes", Config{MaxSessions: n, MaxBytes: MinBytes}, 0},
		{"more of both", Config{MaxSessions: 5000, MaxBytes: 100 << 20}, 3000},
	} {
		t.Run(row.name, func(t *testing.T) {
			fd := leave(t, filled(t, keptConfig(), n))
			c := row.config
			c.Kept, c.Epoch = true, time.Hour
			m := reopen(t, c, fd)
			a, err := m.Adopt(0)
			if err != nil || a.Sessions+a.Evicted != n || (a.Evicted == 0) != (row.more > 0) || a.Sessions > c.MaxSessions {
				t.Fatalf("got %+v, %v", a, err)
			}
			checkSlab(t, m)
			mustHold(t, m, n, func(i int) bool { return i >= a.Evicted })
			for i := range row.more {
				mustAdd(t, m, fmt.Sprint("new ", i), "x", time.Hour, 0)
			}
			mustHold(t, m, n, func(i int) bool { return i >= a.Evicted })
			m = reopen(t, c, leave(t, m))
			if b, err := m.Adopt(0); err != nil || b.Sessions != a.Sessions+row.more || b.Evicted > 0 {
				t.Fatalf("adopted again: got %+v, %v", b, err)
			}
		})
	}
}

// TestKeptFileThatIsDoubted: each field of the header, and the file itself.
func TestKeptFileThatIsDoubted(t *testing.T) {
	header := func(at int, with func(b []byte)) func(t *testing.T, fd int) {
		return func(t *testing.T, fd int) {
			h := make([]byte, headerEnd)
			_, err := unix.Pread(fd, h, 0)
			must(t, err)
			with(h[at:])
			if at < headerSum { // else the sum alone would show it
				binary.LittleEndian.PutUint32(h[headerSum:], crc32.Checksum(h[:headerSum], castagnoli))
			}
			_, err = unix.Pwrite(fd, h, 0)
			must(t, err)
		}
	}
	flip := func(b []byte) { b[0] ^= 1 }
	for _, row := range []struct {
		name  string
		spoil func(t *testing.T, fd int)
		want  string
	}{
		{"magic", header(0, flip), "no header of dc_server"},
		{"layout", header(headerLayout, flip), "another version"},
		{"size", header(headerSize, func(b []byte) { b[7] = 1 }), "the header tells of"},
		{"no sessions", header(headerSessions, func(b []byte) { clear(b[:8]) }), "the header tells of 0 sessions"},
		{"too many sessions", header(headerSessions, func(b []byte) { b[7] = 1 }), "the header tells of"},
		{"another boot", header(headerBoot, flip), "the machine has been started since"},
		{"both sums", header(headerSum, func(b []byte) { flip(b); flip(b[headerCopy:]) }), "checksum"},
		{"state", header(headerState, flip), "state"},
		{"mode", func(t *testing.T, fd int) { must(t, unix.Fchmod(fd, 0o640)) }, "mode 640"},
		{"owner", func(t *testing.T, fd int) {
			if os.Geteuid() != 0 {
				t.Skip("only root can give a file away")
			}
			must(t, unix.Fchown(fd, 65534, -1))
		}, "belongs to user 65534"},
		{"size of the file", func(t *testing.T, fd int) { must(t, unix.Ftruncate(fd, keptArena+Growth*100+1)) }, "bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			fd := leave(t, filled(t, keptConfig(), 10))
			row.spoil(t, fd)
			m, err := Reopen(keptConfig(), fd)
			if m != nil || !errors.Is(err, ErrKept) || !strings.Contains(err.Error(), row.want) {
				t.Errorf("got %v, want ErrKept with %q", err, row.want)
			}
			if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != unix.EBADF {
				t.Errorf("got %v of the descriptor, want it closed", err)
			}
		})
	}
}

// TestKeptHeaderOutlivesAKill: a process with other limits takes the file over, and so writes the header again. It is
// killed after each byte of that in turn.
func TestKeptHeaderOutlivesAKill(t *testing.T) {
	c := keptConfig()
	fd := leave(t, filled(t, c, 10))
	header := func() []byte {
		b := make([]byte, headerEnd)
		_, err := unix.Pread(fd, b, 0)
		must(t, err)
		return b
	}
	before := header()
	c.MaxSessions = 500
	m, err := Reopen(c, fd)
	must(t, err)
	_, err = m.Adopt(0)
	must(t, err)
	leave(t, m)
	after := header()
	file := bytes.Clone(before)
	for _, from := range []int{headerCopy, 0} { // as writeHeader does
		for at := from; at < from+headerState; at++ {
			file[at] = after[at]
			_, err := unix.Pwrite(fd, file, 0)
			must(t, err)
			k := &kept{fd: fd}
			if sessions, err := k.trust(); err != nil || sessions != 1000 && sessions != 500 {
				t.Fatalf("killed after byte %d: got %d sessions, %v, want 1000 or 500", at, sessions, err)
			}
		}
	}
	reopen(t, c, fd)
}

// TestOtherDescriptorsAreDoubted: what is no memfd of ours.
func TestOtherDescriptorsAreDoubted(t *testing.T) {
	for name, open := range map[string]func() (int, error){
		"no descriptor": func() (int, error) { return 1 << 20, nil },
		"a device":      func() (int, error) { return unix.Open("/dev/null", unix.O_RDWR, 0) },
		"no seals":      func() (int, error) { return unix.MemfdCreate("x", unix.MFD_ALLOW_SEALING) },
	} {
		fd, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if m, err := Reopen(keptConfig(), fd); m != nil || !errors.Is(err, ErrKept) {
			t.Errorf("%s: got %v, want ErrKept", name, err)
		}
	}
}

// damage changes a byte of each of these sessions of filled.
func damage(sessions ...int) func(m *Memory) {
	return func(m *Memory) {
		for _, i := range sessions {
			id := fmt.Append(nil, "session ", i)
			r, _ := m.table.find(m.hash(id), id, m.slab)
			m.slab.record(r)[recordHeader+len(id)] ^= 1
		}
	}
}

// twice copies records of filled, as between the two steps of a move.
func twice(sessions ...int) func(m *Memory) {
	return func(m *Memory) {
		for _, i := range sessions {
			id := fmt.Append(nil, "session ", i)
			from, _ := m.table.find(m.hash(id), id, m.slab)
			rec := m.slab.record(from)
			size := m.slab.sizeOf(rec)
			copy(m.slab.record(m.slab.alloc(size)), rec[:size])
		}
	}
}

// TestKeptRecordsThatAreDamaged: what one kill may leave costs one session, and all else the
// whole cache, which then is empty and serves.
func TestKeptRecordsThatAreDamaged(t *testing.T) {
	const n = 300
	for _, row := range []struct {
		name   string
		spoil  func(m *Memory)
		clean  bool
		gone   int // the session that is missing; -1: none
		doubts string
	}{
		{"nothing", func(*Memory) {}, false, -1, ""},
		{"one", damage(200), false, 200, ""},
		{"one, after an orderly end", damage(200), true, 0, "1 records are damaged"},
		{"two", damage(1, 200), false, 0, "2 records are damaged"},
		{"one twice", twice(200), false, -1, ""},
		{"two twice", twice(1, 200), false, 0, "2 sessions are there twice"},
		{"a page of no class", func(m *Memory) { *m.slab.pages.kept.word(keptDirectory) ^= 1 << 20 }, false, 0, "directory"},
		{"a page of a class too high", func(m *Memory) { m.slab.pages.kept.setClass(0, 254) }, false, 0, "directory"},
		{"a page that was just taken", func(m *Memory) {
			m.slab.pages.ready()
			m.slab.pages.kept.setClass(m.slab.pages.fresh, 3)
		}, false, -1, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := filled(t, keptConfig(), n)
			row.spoil(m)
			m.slab.pages.kept.sound = row.clean
			m = reopen(t, keptConfig(), leave(t, m))
			a, err := m.Adopt(0)
			if row.doubts != "" {
				if !errors.Is(err, ErrKept) || !strings.Contains(err.Error(), row.doubts) {
					t.Fatalf("got %+v, %v, want ErrKept with %q", a, err, row.doubts)
				}
				mustHold(t, m, n, func(int) bool { return false })
			} else {
				if err != nil || a.Torn != (row.gone >= 0) || a.Clean {
					t.Fatalf("got %+v, %v", a, err)
				}
				mustHold(t, m, n, func(i int) bool { return i != row.gone })
			}
			checkInvariants(t, m, keptConfig())
			mustAdd(t, m, "new", "data", time.Hour, 0)
			m = reopen(t, keptConfig(), leave(t, m))
			if b, err := m.Adopt(0); err != nil || b.Sessions != a.Sessions+1 {
				t.Fatalf("adopted again: got %+v, %v, want %d sessions", b, err, a.Sessions+1)
			}
		})
	}
}

// TestKeptRecordsThatFitTheirSum: lengths that no process of ours writes make a record damaged, and more records
// than the header tells of make all of them doubtful. Otherwise each process that takes the file over would panic or hang.
func TestKeptRecordsThatFitTheirSum(t *testing.T) {
	for _, row := range []struct {
		name           string
		like           int // the size of a record of the same class
		idLen, dataLen int
	}{
		{"id too long", 184, codec.MaxIDLen + 1, 100},
		{"data too long", maxRecord, 30, codec.MaxDataLen + 1},
		{"data as long as the slot", maxRecord, 30, newClasses().largest().size - recordHeader - 30 - recordTrailer},
	} {
		t.Run(row.name, func(t *testing.T) {
			m := filled(t, keptConfig(), 10)
			rec := m.slab.record(m.slab.alloc(row.like))
			size := recordSize(row.idLen, row.dataLen) + recordTrailer
			rec.write(0, make([]byte, row.idLen), make([]byte, row.dataLen))
			rec.sign(size, 10*time.Hour)
			m.slab.pages.kept.sound = false // as after a kill
			m = reopen(t, keptConfig(), leave(t, m))
			if a, err := m.Adopt(0); err != nil || a.Sessions != 10 || !a.Torn {
				t.Errorf("got %+v, %v, want 10 sessions and a torn one", a, err)
			}
			checkInvariants(t, m, keptConfig())
		})
	}
	t.Run("too many", func(t *testing.T) {
		c := keptConfig()
		m := filled(t, c, 20)
		must(t, m.slab.pages.kept.writeHeader(1))
		c.MaxSessions = 1
		m = reopen(t, c, leave(t, m))
		if a, err := m.Adopt(0); !errors.Is(err, ErrKept) {
			t.Errorf("got %+v, %v, want ErrKept", a, err)
		}
		checkInvariants(t, m, c)
	})
}

// TestKeptRecordsLeaveNoTrace: no core dump (dd) and no child process (dc) gets the memory, nobody else
// can open it or make it smaller, and it is given back when it is not needed.
func TestKeptRecordsLeaveNoTrace(t *testing.T) {
	for _, locked := range []bool{false, true} {
		if locked && os.Geteuid() != 0 {
			continue // only root may lock as much as it likes
		}
		c := Config{MaxSessions: 2000, Kept: true, Locked: locked}
		m := newMemory(t, c)
		flags, _ := flagsOf(t, m.slab.pages.kept.mapping)
		for flag, want := range map[string]bool{"dd": true, "dc": true, "sh": true} {
			if got := strings.Contains(strings.Join(flags, " "), flag); got != want {
				t.Errorf("got flags %v, want %s: %v", flags, flag, want)
			}
		}
		var st unix.Stat_t
		must(t, unix.Fstat(m.Descriptor(), &st))
		if st.Mode&0o7777 != 0o600 || int(st.Uid) != os.Geteuid() {
			t.Errorf("got mode %04o of user %d, want 0600 of this one", st.Mode&0o7777, st.Uid)
		}
		if err := unix.Ftruncate(m.Descriptor(), keptArena); err != unix.EPERM {
			t.Errorf("ftruncate: got %v, want EPERM: it is sealed", err)
		}
		taken := func() int64 { must(t, unix.Fstat(m.Descriptor(), &st)); return st.Blocks * 512 }
		data := make([]byte, 16<<10)
		for i := range 2000 {
			m.Add(fmt.Appendf(nil, "%04d", i), data, time.Hour, 0)
		}
		full := taken()
		for i := range 2000 {
			m.Remove(fmt.Appendf(nil, "%04d", i), 0)
		}
		if empty := taken(); full < 30<<20 || empty > (warmPages+4)*pageSize {
			t.Errorf("locked %v: got %d bytes when empty, %d when full, want %d at most", locked, empty, full, (warmPages+4)*pageSize)
		}
	}
}

// TestKeptRecordsOutliveTwoKills: one process is killed while it writes a session, and the next one while it
// wipes a session whose time is over: both are torn then, but never at the same time.
func TestKeptRecordsOutliveTwoKills(t *testing.T) {
	const n, now = 30, time.Hour + time.Second/2 // only the time of session 0 is over; it is in page 0
	m := filled(t, keptConfig(), n)
	damage(2)(m) // in page 2
	m.slab.pages.kept.sound = false
	m, err := Reopen(keptConfig(), leave(t, m))
	must(t, err)
	page := m.slab.pages.bytes(0)
	must(t, unix.Mprotect(page, unix.PROT_READ))
	if !faults(func() { _, _ = m.Adopt(now) }) {
		t.Fatal("got no write to page 0, want that of the session whose time is over")
	}
	must(t, unix.Mprotect(page, unix.PROT_READ|unix.PROT_WRITE))
	page[recordHeader] ^= 1 // as far as the second one came
	m = reopen(t, keptConfig(), leave(t, m))
	if a, err := m.Adopt(now); err != nil || a.Sessions != n-2 || !a.Torn {
		t.Fatalf("got %+v, %v, want %d sessions and a torn one", a, err, n-2)
	}
	mustHold(t, m, n, func(i int) bool { return i != 0 && i != 2 })
}

// faults reports whether fn touches memory that it may not. Any other panic goes on.
func faults(fn func()) (faulted bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		why := recover()
		if _, faulted = why.(interface{ Addr() uintptr }); why != nil && !faulted {
			panic(why)
		}
	}()
	fn()
	return false
}

// TestKeptWithoutMemory: where the kernel has no memory from the first page on, each session is evicted at once, until
// there is some.
func TestKeptWithoutMemory(t *testing.T) {
	m := newMemory(t, keptConfig())
	k := m.slab.pages.kept
	fd := k.fd
	k.fd = -1 // so fallocate fails
	defer func() { k.fd = fd }()
	for range 2 {
		if got, want := m.Add([]byte("id"), []byte("data"), time.Hour, 0), (AddResult{Stored, 1, FullMachine}); got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
		checkInvariants(t, m, keptConfig())
	}
	k.fd = fd
	mustAdd(t, m, "id", "data", time.Hour, 0)
}

// processorTime is what this process has used.
func processorTime(t testing.TB) time.Duration {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestKeptMillion logs what it costs to adopt a million sessions.
func TestKeptMillion(t *testing.T) {
	kit.NeedFull(t, "fills a million sessions")
	const sessions = 1_000_000
	c := Config{MaxSessions: sessions, Kept: true}
	m := newMemory(t, c)
	fill(t, m, sessions, benchDataLen, func(i int) time.Duration { return time.Hour + time.Duration(i)*time.Second })
	fd := leave(t, m)
	began, cpu := time.Now(), processorTime(t)
	m = reopen(t, c, fd)
	a, err := m.Adopt(sessions)
	took, cpu := time.Since(began), processorTime(t)-cpu
	if err != nil || a.Sessions != sessions {
		t.Fatalf("got %+v, %v, want %d sessions", a, err, sessions)
	}
	t.Logf("%d sessions adopted in %v, with %v of CPU time", sessions, took, cpu)
	if took > time.Second {
		kit.TooSlow(t, "adoption took %v, want at most 1 s", took)
	}
}

// TestKeptFileTooShort: a file that ends too early has a reason without an error of the kernel.
func TestKeptFileTooShort(t *testing.T) {
	fd, err := createMemfd()
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	k := &kept{fd: fd}
	_, header := k.readHeader(0)
	for name, err := range map[string]error{"header": header, "page": k.read(0, make([]byte, 8))} {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%s: got %v, want %v in it", name, err, io.ErrUnexpectedEOF)
		}
	}
}
