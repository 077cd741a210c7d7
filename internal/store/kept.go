package store

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// kept is the file of an arena that can outlive this process (Config.Kept): a memfd. It has no
// name in any directory: only a process that is given the descriptor can open it.
//
//	0          4096                  2 MiB
//	| header   | directory           | arena …
//	  whose,     the class of each     records, each with its expiry time and a checksum
//	  of what    page
//	  layout
//
// Nothing else is kept: Memory.Adopt builds the table and the tournament from the records. A process
// that is killed breaks at most one record, the one that it was writing.
type kept struct {
	fd      int
	mapping []byte // the whole file
	clean   bool   // the process before came to an orderly end
	sound   bool   // its sessions are adopted, or there were none
}

const (
	keptDirectory = 4 << 10
	keptArena     = 2 << 20
)

const _ = uint(keptArena - keptDirectory - maxArena/pageSize*4) // the directory has room for all pages

// ErrKept is returned, wrapped with the reason, when the sessions of the process before cannot be
// used.
var ErrKept = errors.New("kept sessions cannot be used")

func doubt(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrKept, fmt.Errorf(format, args...))
}

// newKept makes an empty file with an arena of that size, in bytes. sessions is what the index
// has room for.
func newKept(arena, sessions int) (*kept, error) {
	fd, err := createMemfd()
	if err != nil {
		return nil, fmt.Errorf("%w: memfd_create: %w", ErrMemory, err)
	}
	k := &kept{fd: fd}
	if err := k.setUp(arena, sessions); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: memfd of %d bytes: %w", ErrMemory, keptArena+arena, err), k.close())
	}
	return k, nil
}

// createMemfd makes a file that cannot be executed, where the kernel knows such (Linux 6.3).
func createMemfd() (int, error) {
	const name, flags = "distcache-sessions", unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL)
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags)
	}
	return fd, err
}

// keptSeals make sure that the file never shrinks, which would kill the process that touches what
// is gone, and that no other seal is added.
const keptSeals = unix.F_SEAL_SHRINK | unix.F_SEAL_SEAL

func (k *kept) setUp(arena, sessions int) error {
	if err := unix.Fchmod(k.fd, 0o600); err != nil {
		return os.NewSyscallError("fchmod", err)
	}
	if err := k.lock(unix.F_WRLCK); err != nil {
		return err
	}
	if err := k.extend(keptArena + arena); err != nil {
		return err
	}
	if _, err := unix.FcntlInt(uintptr(k.fd), unix.F_ADD_SEALS, keptSeals); err != nil {
		return os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	k.begin()
	return k.writeHeader(sessions)
}

// begin notes that this process writes to the file from now on.
func (k *kept) begin() {
	k.sound = true
	k.setState(stateInUse)
}

// openKept takes over the file that the process before left, and makes its arena at least so many
// bytes long. It returns what the index must have room for. After an error, which wraps ErrKept,
// the descriptor is closed.
func openKept(fd, arena int) (k *kept, sessions int, err error) {
	k = &kept{fd: fd}
	unix.CloseOnExec(fd)
	if sessions, err = k.trust(); err == nil {
		err = k.extend(keptArena + arena)
	}
	if err == nil {
		err = k.writeHeader(sessions) // of the new length
	}
	if err != nil {
		return nil, 0, errors.Join(doubt("%w", err), k.close())
	}
	return k, sessions, nil
}

// trust checks that the file is one that a process of ours made, which has ended.
func (k *kept) trust() (sessions int, err error) {
	seals, err := unix.FcntlInt(uintptr(k.fd), unix.F_GET_SEALS, 0)
	if err != nil {
		return 0, fmt.Errorf("the descriptor is not that of a memfd: %w", err)
	}
	if seals&^unix.F_SEAL_EXEC != keptSeals {
		return 0, fmt.Errorf("the memfd has the seals %#x", seals)
	}
	var st unix.Stat_t
	if err := unix.Fstat(k.fd, &st); err != nil {
		return 0, os.NewSyscallError("fstat", err)
	}
	switch {
	case int(st.Uid) != os.Geteuid():
		return 0, fmt.Errorf("the memfd belongs to user %d, and this process to user %d", st.Uid, os.Geteuid())
	case st.Mode&0o777 != 0o600:
		return 0, fmt.Errorf("the memfd has the mode %03o", st.Mode&0o777)
	case st.Size < keptArena+Growth || st.Size > keptArena+maxArena || (st.Size-keptArena)%Growth != 0:
		return 0, fmt.Errorf("the memfd has %d bytes", st.Size)
	}
	if err := k.lock(unix.F_WRLCK); err != nil {
		return 0, err
	}
	return k.readHeader(st.Size)
}

// lock keeps a second process from writing to the file. The lock belongs to this process and ends
// with it. A lock of the descriptor would not do: other processes have copies of that.
func (k *kept) lock(kind int16) error {
	err := unix.FcntlFlock(uintptr(k.fd), unix.F_SETLK, &unix.Flock_t{Type: kind})
	if err == unix.EAGAIN || err == unix.EACCES {
		return errors.New("another process is using them")
	}
	return os.NewSyscallError("fcntl F_SETLK", err)
}

// extend makes the file at least size bytes long, and maps it. That takes no memory yet.
func (k *kept) extend(size int) error {
	var st unix.Stat_t
	if err := unix.Fstat(k.fd, &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if size > int(st.Size) {
		if err := unix.Ftruncate(k.fd, int64(size)); err != nil {
			return os.NewSyscallError("ftruncate", err)
		}
	}
	mapping, err := unix.Mmap(k.fd, 0, max(size, int(st.Size)), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_NORESERVE)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	k.mapping = mapping
	// Sessions are secrets: core dumps and child processes get none.
	_ = unix.Madvise(mapping, unix.MADV_DONTDUMP)
	_ = unix.Madvise(mapping, unix.MADV_DONTFORK)
	return nil
}

// arena is the memory for pages.
func (k *kept) arena() []byte { return k.mapping[keptArena:] }

// word is a number in the file that is written at once, whatever kills the process.
func (k *kept) word(at int) *uint32 { return (*uint32)(unsafe.Pointer(&k.mapping[at])) }

// mark is the directory's entry for a page of the class with that number. The upper bits are a
// checksum.
func mark(n uint32, class int) uint32 {
	low := uint32(class + 1)
	return low | (n*0x9e3779b1^low*0x85ebca6b)&^0xff
}

// setClass enters page n into the directory.
func (k *kept) setClass(n uint32, class int) {
	atomic.StoreUint32(k.word(keptDirectory+4*int(n)), mark(n, class))
}

// clearClass takes page n out of the directory. The page must be all zeros.
func (k *kept) clearClass(n uint32) { atomic.StoreUint32(k.word(keptDirectory+4*int(n)), 0) }

// class is the number of the class of page n, or -1: it has none. ok is false if neither is true.
func (k *kept) class(n uint32) (class int, ok bool) {
	entry := atomic.LoadUint32(k.word(keptDirectory + 4*int(n)))
	class = int(entry&0xff) - 1
	return class, entry == 0 || class >= 0 && entry == mark(n, class)
}

// empty forgets everything in the file except the header.
func (k *kept) empty() error {
	clear(k.mapping[keptDirectory:][:len(k.arena())/pageSize*4])
	return k.release(0, len(k.arena()))
}

// leave ends the use of the file by this process, which still has the descriptor. What was not
// adopted stays as it was.
func (k *kept) leave() error {
	if k.sound {
		k.setState(stateClean)
	}
	err := unix.Munmap(k.mapping)
	k.mapping = nil
	return errors.Join(os.NewSyscallError("munmap", err), k.lock(unix.F_UNLCK))
}

// close gives the file up. If no other process has a descriptor, its memory is free.
func (k *kept) close() error {
	var err error
	if k.mapping != nil {
		err = os.NewSyscallError("munmap", unix.Munmap(k.mapping))
	}
	k.mapping = nil
	return errors.Join(err, os.NewSyscallError("close", unix.Close(k.fd)))
}
