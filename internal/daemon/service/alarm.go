package service

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Alarm has the kernel end this process (SIGALRM) when Postpone is not called for long. It works also when every thread
// that runs Go code hangs in a system call that the runtime knows nothing of, so that no goroutine runs any more.
//
//	Postpone ──▶ first ──▶ SIGALRM: the runtime's handler, which does nothing; the kernel takes the handler away
//	                           └──▶ again ──▶ SIGALRM without a handler: the end
//
// There are two signals because a process may stand still for as long as it likes (SIGSTOP, a debugger, a frozen control
// group). When it goes on it gets one at most, and then has a part of again to call Postpone. Its length is any up to
// again, as the timer goes on counting: make again a thousand times what a call takes to come.
type Alarm struct {
	timer  int32
	action sigaction
	spec   unix.ItimerSpec
}

// sigaction begins as struct sigaction of rt_sigaction(2) does on every architecture but MIPS, and is long enough for all.
type sigaction struct {
	handler, flags uintptr
	_              [8]uintptr
}

const (
	saResetHand = 0x80000000
	sigsetSize  = 8
)

// NewAlarm also does what Postpone does.
func NewAlarm(first, again time.Duration) (*Alarm, error) {
	a := &Alarm{spec: unix.ItimerSpec{
		Value: unix.NsecToTimespec(first.Nanoseconds()), Interval: unix.NsecToTimespec(again.Nanoseconds()),
	}}
	_, _, errno := unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGALRM), 0, uintptr(unsafe.Pointer(&a.action)), sigsetSize, 0, 0)
	if errno != 0 {
		return nil, os.NewSyscallError("rt_sigaction", errno)
	}
	if a.action.handler <= 1 || strings.HasPrefix(runtime.GOARCH, "mips") { // SIG_DFL and SIG_IGN are 0 and 1
		return nil, errors.New("the Go runtime does not handle SIGALRM")
	}
	a.action.flags |= saResetHand
	event := sigevent{signo: int32(unix.SIGALRM)}
	_, _, errno = unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&a.timer)))
	if errno != 0 {
		return nil, os.NewSyscallError("timer_create", errno)
	}
	a.Postpone()
	return a, nil
}

// Postpone begins the wait anew. Any goroutine may call it. On nil it does nothing.
func (a *Alarm) Postpone() {
	if a == nil {
		return
	}
	// Neither call can fail with what NewAlarm has seen.
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGALRM), uintptr(unsafe.Pointer(&a.action)), 0, sigsetSize, 0, 0)
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(a.timer), 0, uintptr(unsafe.Pointer(&a.spec)), 0, 0, 0)
}
