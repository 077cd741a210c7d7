package poll

import (
	"errors"
	"os"
	"reflect"
	"syscall"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// waiter waits for events of a set in place of netpoll's Polling, in which a turn has no end but a
// task that the loop sends itself through an eventfd, and whose thread sleeps in a system call.
//
// For Go's scheduler a thread in a system call is at work. It watches such a thread from another
// one, which wakes up every 20 us, until it takes the processor away, and wakes that thread again
// when the call returns: at few requests a second two thirds of all context switches. Here are two
// ways to sleep that it does not watch:
//
//	at rest  the goroutine sleeps as one that waits for a network connection does: the set is a
//	         descriptor that Go's own poller waits for. The thread does what other goroutines want.
//	brisk    where the last sleeps were short, the thread sleeps in a system call that the scheduler is
//	         not told of. That is the cheapest of all, but other goroutines wait meanwhile: a timer in
//	         the set, the bell, ends it after 5 ms, and then comes a sleep at rest.
//
// A time limit for each brisk sleep would do without the bell, but then the kernel sets a timer for
// each of them: 3 us on a virtual machine.
//
// Go's poller waits in one thread for all. That thread also runs the goroutine that it wakes, and no
// other one waits until that goroutine sleeps again. So where there are several loops, one at
// rest sleeps in a system call of its own: else it would hear of its events when another one rests.
type waiter struct {
	fd     int      // the set
	file   *os.File // another descriptor of it, for Go's poller; nil: there are several loops
	set    syscall.RawConn
	ready  func(uintptr) bool // bound once: no allocation per wait
	events []unix.EpollEvent
	count  int
	err    error

	looks int       // since it slept at rest
	short int       // sleeps at rest in a row that were short
	slept time.Time // when the sleep at rest began; zero: there was none
	brisk bool      // until the bell rings
	bell  *Timer
	// shared tells that other goroutines work for the loop, and must not wait.
	shared bool
}

const (
	// batch is the most events that are taken from the kernel at a time.
	batch = 1024
	// aloneFor is how many looks there may be without a sleep at rest before the scheduler is told
	// that there is work. Its watching thread sleeps until then; it is what gives other goroutines
	// their turn while the loop never sleeps.
	aloneFor = 16
	// shortSleep is what a short sleep takes at most.
	shortSleep = time.Millisecond
	// briskAfter is how many sleeps at rest in a row must be short before the thread sleeps by itself.
	briskAfter = 4
	// briskFor is how long it does so until the next sleep at rest.
	briskFor = 5 * time.Millisecond
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
	w := &waiter{fd: set, file: os.NewFile(uintptr(fd), "epoll set"), events: make([]unix.EpollEvent, batch)}
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

func (w *waiter) close() error {
	var err error
	if w.bell != nil {
		err = w.bell.Close()
	}
	return errors.Join(err, w.leaveGoPoller())
}

// leaveGoPoller has the thread sleep by itself from now on.
func (w *waiter) leaveGoPoller() error {
	if w.file == nil {
		return nil
	}
	err := w.file.Close()
	w.file, w.set = nil, nil
	return err
}

// rings ends the brisk sleeps.
func (w *waiter) rings() { w.brisk = false }

// wait gives the events that have come, and sleeps until there are any. A signal may end a brisk sleep
// with none: Go wants the processor then, and gets it with the next call of a function.
func (w *waiter) wait() ([]unix.EpollEvent, error) {
	if w.brisk {
		w.take(unix.RawSyscall6, forever)
		return w.events[:w.count], w.err
	}
	w.slept = time.Time{}
	if w.file == nil {
		w.sleep()
	} else if err := w.set.Read(w.ready); err != nil {
		return nil, err
	}
	switch {
	case w.slept.IsZero():
		return w.events[:w.count], w.err
	case time.Since(w.slept) >= shortSleep:
		w.short = 0
	default:
		w.short++
	}
	if w.short >= briskAfter && !w.shared {
		if err := w.bell.Set(briskFor); err != nil {
			return nil, err
		}
		w.brisk = true
	}
	return w.events[:w.count], w.err
}

// readyOrAsleep takes what has come. If that is nothing, the goroutine sleeps next.
func (w *waiter) readyOrAsleep(uintptr) bool {
	if _, err := w.look(); w.count > 0 || err != nil {
		return true
	}
	w.looks, w.slept = 0, time.Now()
	return false
}

// sleep takes what has come, or waits for it in a system call that the scheduler is told of.
func (w *waiter) sleep() {
	for !w.readyOrAsleep(0) {
		if w.take(unix.Syscall6, forever); w.count > 0 || w.err != nil {
			return
		}
		// a signal ended the wait
	}
}

// look gives the events that have come; it does not wait.
func (w *waiter) look() ([]unix.EpollEvent, error) {
	call := unix.RawSyscall6
	if w.looks >= aloneFor {
		call = unix.Syscall6
	}
	w.looks++
	w.take(call, 0)
	return w.events[:w.count], w.err
}

// systemCall makes a system call: unix.Syscall6 tells Go's scheduler of it, and unix.RawSyscall6 does not.
type systemCall func(number, a1, a2, a3, a4, a5, a6 uintptr) (r1, r2 uintptr, err syscall.Errno)

// forever is a limit of take.
const forever = -1

// take sets count and err: to the events that have come, or come within a limit in milliseconds.
func (w *waiter) take(call systemCall, limit int) {
	n, errno := uintptr(0), unix.EINTR
	for errno == unix.EINTR {
		n, _, errno = call(unix.SYS_EPOLL_PWAIT, uintptr(w.fd), uintptr(unsafe.Pointer(unsafe.SliceData(w.events))), batch,
			uintptr(limit), 0, 0)
		if limit == forever {
			break // a signal ends the sleep
		}
		// A look must have its answer: the goroutine may sleep next until there is something new.
	}
	switch errno {
	case 0:
		w.count, w.err = int(n), nil
	case unix.EINTR:
		w.count, w.err = 0, nil
	default:
		w.count, w.err = 0, os.NewSyscallError("epoll_wait", errno)
	}
}
