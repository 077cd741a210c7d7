package load

import (
	"errors"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is the caller that hands the kernel whole batches through an io_uring (Linux 5.19 and newer). No call waits, so
// each is over when the one system call returns: nothing of a batch outlives run.
type ring struct {
	plain
	fd      int
	rings   []byte // both rings' control words, the completions, and the order of the submissions
	entries []byte // the submissions

	submissions []submission
	completions []completion
	sqTail      *uint32
	cqHead      *uint32
	cqTail      *uint32
}

// The kernel's interface: linux/io_uring.h.
const (
	ringEntries = 512
	// worthARing is the number of calls from which the ring is cheaper than system calls.
	worthARing = 4

	opClose   = 19
	opSend    = 26
	opReceive = 27
	opSocket  = 45

	featSingleMmap  = 1 << 0
	enterGetEvents  = 1 << 0
	offSubmissions  = 0x10000000
	completionSize  = unsafe.Sizeof(completion{})
	submissionSize  = unsafe.Sizeof(submission{})
	controlWordSize = 4
)

type submission struct {
	opcode      uint8
	flags       uint8
	ioprio      uint16
	fd          int32
	offset      uint64 // callSocket: its type
	addr        uint64
	length      uint32
	opFlags     uint32
	userData    uint64
	bufIndex    uint16
	personality uint16
	fileIndex   int32
	_           [2]uint64
}

type completion struct {
	userData uint64
	result   int32
	flags    uint32
}

type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     ringOffsets // misc: dropped, array
	cq                                                                     ringOffsets // misc: overflow, completions
}

type ringOffsets struct {
	head, tail, mask, entries uint32
	misc                      [2]uint32
	last                      uint32 // of sq: array
	_                         uint32
	_                         uint64
}

// errRing is returned when there is an io_uring and it lacks something.
var errRing = errors.New("this io_uring lacks what is needed")

// newRing returns an error when the kernel has no io_uring, one that is too old, or does not let it be used.
func newRing(t *target) (*ring, error) {
	var params ringParams
	fd, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, ringEntries, uintptr(unsafe.Pointer(&params)), 0)
	if errno != 0 {
		return nil, os.NewSyscallError("io_uring_setup", errno)
	}
	r := &ring{plain: plain{target: t}, fd: int(fd)}
	if err := r.mapMemory(&params); err != nil {
		r.close()
		return nil, err
	}
	if err := r.probe(); err != nil {
		r.close()
		return nil, err
	}
	return r, nil
}

func (r *ring) mapMemory(p *ringParams) error {
	if p.features&featSingleMmap == 0 || p.sqEntries != ringEntries {
		return errRing
	}
	const protection, flags = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	array, completions := p.sq.last, p.cq.misc[1]
	size := max(uintptr(array)+ringEntries*controlWordSize, uintptr(completions)+uintptr(p.cqEntries)*completionSize)
	var err error
	if r.rings, err = unix.Mmap(r.fd, 0, int(size), protection, flags); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	if r.entries, err = unix.Mmap(r.fd, offSubmissions, int(ringEntries*submissionSize), protection, flags); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	r.submissions = unsafe.Slice((*submission)(unsafe.Pointer(&r.entries[0])), ringEntries)
	r.completions = unsafe.Slice((*completion)(unsafe.Pointer(&r.rings[completions])), p.cqEntries)
	r.sqTail, r.cqHead, r.cqTail = r.word(p.sq.tail), r.word(p.cq.head), r.word(p.cq.tail)
	for i := range uint32(ringEntries) {
		*r.word(array + i*controlWordSize) = i
	}
	return nil
}

func (r *ring) word(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&r.rings[offset])) }

// probe opens a socket through the ring, the newest of the operations that are used.
func (r *ring) probe() error {
	b := newBatch(0)
	b.socket()
	r.runRing(b)
	if errno := b.calls[0].errno(); errno != 0 {
		return errno
	}
	closeSocket(int(b.calls[0].result))
	return nil
}

func (r *ring) name() string { return "io_uring" }

// close is called once, also after half a start.
func (r *ring) close() {
	if r.entries != nil {
		_ = unix.Munmap(r.entries)
	}
	if r.rings != nil {
		_ = unix.Munmap(r.rings)
	}
	closeSocket(r.fd)
}

func (r *ring) run(b *batch) {
	if len(b.calls) < worthARing {
		r.plain.run(b)
	} else {
		r.runRing(b)
	}
}

func (r *ring) runRing(b *batch) {
	for rest := b.calls; len(rest) > 0; {
		n := min(len(rest), ringEntries)
		r.submit(b, rest[:n])
		if err := r.enter(rest[:n]); err != 0 {
			// Nothing is known of any call, so all have failed.
			for i := range rest {
				rest[i].result = -int32(err)
			}
			return
		}
		rest = rest[n:]
	}
}

// submit writes the calls into the submission ring.
func (r *ring) submit(b *batch, calls []call) {
	tail := *r.sqTail
	for i := range calls {
		s := &r.submissions[tail&(ringEntries-1)]
		r.prepare(s, b, &calls[i])
		s.userData = uint64(i)
		tail++
	}
	atomic.StoreUint32(r.sqTail, tail)
}

func (r *ring) prepare(s *submission, b *batch, c *call) {
	*s = submission{fd: c.fd}
	switch c.kind {
	case callSocket:
		s.opcode, s.fd, s.offset = opSocket, int32(r.target.family), unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC
	case callSend:
		bytes := b.bytes(c)
		s.opcode, s.addr, s.length, s.opFlags = opSend, address64(bytes), uint32(len(bytes)), unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT
	case callReceive:
		bytes := b.bytes(c)
		s.opcode, s.addr, s.length, s.opFlags = opReceive, address64(bytes), uint32(len(bytes)), unix.MSG_DONTWAIT
	case callClose:
		s.opcode = opClose
	}
}

// address64 is safe because what it points to is held by the batch until the kernel is done with it.
func address64(b []byte) uint64 { return uint64(uintptr(unsafe.Pointer(&b[0]))) }

// enter has the kernel carry out the submissions, and sets the results of the calls. The calls do not wait, so Go's
// scheduler is not told: if it were, it would watch the thread, at a cost that shows.
func (r *ring) enter(calls []call) unix.Errno {
	left, done := len(calls), 0
	for done < len(calls) {
		n, _, errno := unix.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(r.fd), uintptr(left), uintptr(len(calls)-done), enterGetEvents, 0, 0)
		switch errno {
		case 0:
			left -= int(n)
		case unix.EINTR, unix.EAGAIN, unix.EBUSY:
		default:
			return errno
		}
		done += r.reap(calls)
	}
	return 0
}

// reap takes the completions that are there.
func (r *ring) reap(calls []call) int {
	head, tail := *r.cqHead, atomic.LoadUint32(r.cqTail)
	n := int(tail - head)
	for ; head != tail; head++ {
		done := &r.completions[head&uint32(len(r.completions)-1)]
		calls[done.userData].result = done.result
	}
	atomic.StoreUint32(r.cqHead, head)
	return n
}
