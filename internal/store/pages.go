package store

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// maxArena is the most that a ref can address, and so the most that the records of one
	// store take, in bytes: 64 GiB, or 1 GiB on machines with 32-bit addresses.
	maxArena = 1 << (30 + 6*(^uint(0)>>63))
	// Growth is how much memory a store asks the kernel for at a time, in bytes.
	Growth = 16 << 20
	// smallUntil is the part of the arena, in bytes from its start, without huge pages. A page
	// of every class fits in there, so a small cache of sessions of many sizes takes memory
	// only where it touches it.
	smallUntil = 64 << 20
	// warmPages is the most unused pages that are kept for the next class that needs one. The
	// memory of all others goes back to the kernel.
	warmPages = 16
)

// pages gives the size classes their memory. It is an arena of address space, reserved as a
// whole, made usable as it is needed, and cut into pages that any class can take.
type pages struct {
	arena  []byte
	opened int // bytes of the arena that may be touched

	table  []page
	fresh  uint32 // the first page that was never taken
	warm   uint32 // list of free pages that still have memory
	cold   uint32 // list of free pages without memory
	warmed int    // pages in warm
	// resident is the memory that was touched and not released, in bytes.
	resident int64
	release  int // the advice that gives memory back to the kernel

	kept *kept // whose the arena is; nil: it ends with this process
}

// page describes one page.
type page struct {
	// below is the page that was filled before this one in its class, or the next free
	// page, or noPage.
	below uint32
	// touched is the part of the page that may have memory, in bytes from its start.
	touched uint32
}

// newPages reserves an arena of at least size bytes, at most maxArena. locked keeps it out of
// swap: all of it counts at once, and memory is still taken only as it is touched.
func newPages(size int, locked bool) (pages, error) {
	size = roundUp(size, Growth)
	arena, err := mapBytes(size, unix.PROT_NONE)
	if err != nil {
		return pages{}, err
	}
	p := pages{arena: arena, table: make([]page, size/pageSize), warm: noPage, cold: noPage, release: unix.MADV_DONTNEED}
	// Sessions are secrets: core dumps and child processes get none.
	_ = unix.Madvise(arena, unix.MADV_DONTDUMP)
	_ = unix.Madvise(arena, unix.MADV_WIPEONFORK)
	if locked {
		p.release = unix.MADV_DONTNEED_LOCKED // before Linux 5.18 no memory goes back then
		if err := lock(arena); err != nil {
			return pages{}, errors.Join(err, p.close())
		}
	}
	if err := p.open(); err != nil {
		return pages{}, errors.Join(fmt.Errorf("%w: mprotect of %d bytes: %w", ErrMemory, Growth, err), p.close())
	}
	return p, nil
}

// newKeptPages cuts the arena of k into pages. All of it may be touched that was allocated.
func newKeptPages(k *kept, locked bool) (pages, error) {
	arena := k.arena()
	if locked {
		if err := lock(arena); err != nil {
			return pages{}, err
		}
	}
	if len(arena) > smallUntil {
		_ = unix.Madvise(arena[smallUntil:], unix.MADV_HUGEPAGE) // a kernel without huge pages for files refuses: no harm
	}
	return pages{arena: arena, opened: len(arena), table: make([]page, len(arena)/pageSize), warm: noPage, cold: noPage, kept: k}, nil
}

// open makes more of the arena usable. It returns ENOMEM at the end of the arena, and when
// the kernel promises no more memory (vm.overcommit_memory=2).
func (p *pages) open() error {
	if p.opened == len(p.arena) {
		return unix.ENOMEM
	}
	next := p.arena[p.opened:][:Growth]
	if err := unix.Mprotect(next, unix.PROT_READ|unix.PROT_WRITE); err != nil {
		return err
	}
	advice := unix.MADV_HUGEPAGE
	if p.opened < smallUntil {
		advice = unix.MADV_NOHUGEPAGE
	}
	_ = unix.Madvise(next, advice) // a kernel without huge pages refuses: no harm
	p.opened += Growth
	return nil
}

// ready reports whether take has a page to give.
func (p *pages) ready() bool {
	switch {
	case p.warm != noPage:
		return true
	case p.cold != noPage:
		return p.allocate(p.cold)
	}
	return ((int(p.fresh)+1)*pageSize <= p.opened || p.open() == nil) && p.allocate(p.fresh)
}

// allocate makes sure that a page of a kept arena has memory: none would end the process at the
// first touch. Private memory comes, or the kernel kills, as it is touched.
func (p *pages) allocate(n uint32) bool {
	if p.kept == nil {
		return true
	}
	if p.kept.allocate(int(n)*pageSize, pageSize) != nil {
		return false
	}
	p.populate(n)
	p.resident += int64(pageSize - p.table[n].touched)
	p.table[n].touched = pageSize
	return true
}

// populate maps the memory of a page at once, which is cheaper than bit by bit. Before Linux 5.14
// it has no effect.
func (p *pages) populate(n uint32) { _ = unix.Madvise(p.bytes(n), unix.MADV_POPULATE_WRITE) }

// take returns a page of zeros, on top of the list that begins at below. ready must have
// returned true.
func (p *pages) take(below uint32) uint32 {
	n := p.fresh
	switch {
	case p.warm != noPage:
		n = p.warm
		p.warm = p.table[n].below
		p.warmed--
	case p.cold != noPage:
		n = p.cold
		p.cold = p.table[n].below
	default:
		p.fresh++
	}
	p.table[n].below = below
	return n
}

// give takes back a page, which must be all zeros, and returns the page below it.
func (p *pages) give(n uint32) (below uint32) {
	pg := &p.table[n]
	below = pg.below
	if p.kept != nil {
		p.kept.clearClass(n)
	}
	if p.warmed < warmPages || !p.discard(n) {
		pg.below = p.warm
		p.warm = n
		p.warmed++
		return below
	}
	pg.below = p.cold
	p.cold = n
	return below
}

// discard returns the memory of a page to the kernel.
func (p *pages) discard(n uint32) bool {
	var err error
	if p.kept != nil {
		err = p.kept.release(int(n)*pageSize, pageSize)
	} else {
		err = unix.Madvise(p.bytes(n), p.release)
	}
	if err != nil {
		return false
	}
	p.resident -= int64(p.table[n].touched)
	p.table[n].touched = 0
	return true
}

// touch notes that the first used bytes of a page are in use. With huge pages, the whole
// page is.
func (p *pages) touch(n uint32, used int) {
	pg := &p.table[n]
	if used <= int(pg.touched) {
		return
	}
	used = roundUp(used, kernelPage)
	if int(n)*pageSize >= smallUntil {
		used = pageSize
	}
	p.resident += int64(used) - int64(pg.touched)
	pg.touched = uint32(used)
}

func (p *pages) bytes(n uint32) []byte { return p.arena[int(n)*pageSize:][:pageSize:pageSize] }

func (p *pages) close() error {
	if p.arena == nil {
		return nil
	}
	arena, k := p.arena, p.kept
	*p = pages{}
	if k != nil {
		return k.close()
	}
	return unmapBytes(arena)
}

// kernelPage is the unit in which the kernel gives memory, in bytes.
const kernelPage = 4 << 10

// hugeFrom is the size, in bytes, from which the index of a store asks for huge pages: the
// processor's translation cache cannot hold that many small ones.
const hugeFrom = 4 << 20

// mapSlice maps n zero values of T, which must hold no pointers. The kernel commits a
// page when it is first touched. An n with which the size is no int is ErrMemory.
func mapSlice[T any](n int) ([]T, error) {
	var zero T
	size := int(unsafe.Sizeof(zero))
	if n > (math.MaxInt-kernelPage)/size {
		return nil, fmt.Errorf("%w: %d entries of %d bytes are more than the address space", ErrMemory, n, size)
	}
	b, err := mapBytes(n*size, unix.PROT_READ|unix.PROT_WRITE)
	if err != nil {
		return nil, err
	}
	if len(b) >= hugeFrom {
		_ = unix.Madvise(b, unix.MADV_HUGEPAGE) // a kernel without them refuses: no harm
	}
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n), nil
}

// unmapSlice undoes mapSlice.
func unmapSlice[T any](s []T) error {
	if len(s) == 0 {
		return nil
	}
	var zero T
	size := roundUp(len(s)*int(unsafe.Sizeof(zero)), kernelPage)
	return unmapBytes(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), size))
}

// zeroSlice clears memory of mapSlice, and gives it back to the kernel.
func zeroSlice[T any](s []T) {
	if unix.Madvise(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(s[0]))), unix.MADV_DONTNEED) != nil {
		clear(s)
	}
}

// mapBytes maps private anonymous memory of size bytes, rounded up to kernelPage.
func mapBytes(size, protection int) ([]byte, error) {
	size = roundUp(size, kernelPage)
	b, err := unix.Mmap(-1, 0, size, protection, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return nil, fmt.Errorf("%w: mmap of %d bytes: %w; lower the number of sessions or the bytes, or raise the limit on address space", ErrMemory, size, err)
	}
	return b, nil
}

// lock keeps the memory of b out of swap from its first touch on. The error wraps ErrLock.
func lock(b []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_MLOCK2, uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), unix.MLOCK_ONFAULT)
	if errno == 0 {
		return nil
	}
	var limit unix.Rlimit
	_ = unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit)
	return fmt.Errorf("%w: %d MiB are needed, and RLIMIT_MEMLOCK is %d KiB: %w; raise it (ulimit -l, LimitMEMLOCK= of systemd), "+
		"start as root, or lower the sessions' memory", ErrLock, len(b)>>20, limit.Cur>>10, errno)
}

func unmapBytes(b []byte) error {
	if err := unix.Munmap(b); err != nil {
		return fmt.Errorf("munmap of %d bytes: %w", len(b), err)
	}
	return nil
}

// roundUp rounds n up to a multiple of step.
func roundUp(n, step int) int { return (n + step - 1) / step * step }
