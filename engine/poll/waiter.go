package poll

import (
	"os"
	"reflect"
	"syscall"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// waiter waits for events of a set in place of netpoll's Polling, in which a turn has no end but a
// task that the loop sends itself through an eventfd, and whose thread sleeps in a system call.
//
// For Go's scheduler a thread in a system call is at work. It watches such a thread from another
// one, which wakes up every 20 us, until it takes the processor away, and wakes that thread again
// when the call returns: at few requests a second two thirds of all context switches. Here the
// goroutine sleeps, as one that waits for a network connection does: the set is itself a descriptor
// that Go waits for.
type waiter struct {
	file   *os.File // the set, for Go's poller
	set    syscall.RawConn
	fd     int
	ready  func(uintptr) bool // bound once: no allocation per wait
	events []unix.EpollEvent
	count  int
	err    error
	busy   int // looks since it slept
}

const (
	// batch is the most events that are taken from the kernel at a time.
	batch = 1024
	// aloneFor is how many looks there may be without a sleep before the scheduler is told that
	// there is work. Its watching thread sleeps until then; it is what gives other goroutines
	// their turn while the loop never sleeps.
	aloneFor = 16
)

// GoDescriptors is how many descriptors Go's poller takes when it is used first. Without them the
// process would end.
const GoDescriptors = 2

func newWaiter(np *netpoll.Poller) (*waiter, error) {
	// netpoll keeps its descriptor to itself.
	set := int(reflect.ValueOf(np).Elem().FieldByName("fd").Int())
	fd, err := duplicate(set)
	if err != nil {
		return nil, err
	}
	w := &waiter{file: os.NewFile(uintptr(fd), "epoll set"), fd: fd, events: make([]unix.EpollEvent, batch)}
	w.ready = w.readyOrAsleep
	if w.set, err = w.file.SyscallConn(); err != nil {
		_ = w.file.Close()
		return nil, err
	}
	return w, nil
}

// duplicate gives another descriptor of the set, and ensures that there are some more.
func duplicate(set int) (int, error) {
	var all [1 + GoDescriptors]int
	for i := range all {
		fd, err := unix.FcntlInt(uintptr(set), unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			closeAll(all[:i])
			return -1, os.NewSyscallError("fcntl", err)
		}
		all[i] = fd
	}
	closeAll(all[1:])
	// Go takes it for the wish to wait in its poller.
	if err := unix.SetNonblock(all[0], true); err != nil {
		closeAll(all[:1])
		return -1, os.NewSyscallError("fcntl", err)
	}
	return all[0], nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		_ = unix.Close(fd) // close of an epoll set reports nothing
	}
}

func (w *waiter) close() error { return w.file.Close() }

// wait gives the events that have come, and sleeps until there are any.
func (w *waiter) wait() ([]unix.EpollEvent, error) {
	if err := w.set.Read(w.ready); err != nil {
		return nil, err
	}
	return w.events[:w.count], w.err
}

// readyOrAsleep takes what has come. If that is nothing, the goroutine sleeps next.
func (w *waiter) readyOrAsleep(uintptr) bool {
	if w.take() {
		return true
	}
	w.busy = 0
	return false
}

// look gives the events that have come; it does not wait.
func (w *waiter) look() ([]unix.EpollEvent, error) {
	w.take()
	return w.events[:w.count], w.err
}

// take takes the events that have come. It reports whether there are any, or an error.
func (w *waiter) take() bool {
	call := unix.RawSyscall6
	if w.busy > aloneFor {
		call = unix.Syscall6
	}
	for {
		n, _, errno := call(unix.SYS_EPOLL_PWAIT, uintptr(w.fd), uintptr(unsafe.Pointer(unsafe.SliceData(w.events))), batch, 0, 0, 0)
		switch errno {
		case 0:
			w.count, w.err = int(n), nil
		case unix.EINTR:
			continue
		default:
			w.count, w.err = 0, os.NewSyscallError("epoll_wait", errno)
		}
		w.busy++
		return w.count > 0 || w.err != nil
	}
}
