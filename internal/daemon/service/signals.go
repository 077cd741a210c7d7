package service

import (
	"errors"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Signals catches the signals of a daemon:
//
//	SIGTERM, SIGINT     the first: stop gracefully; each later one: at once
//	SIGUSR1             report; with -killable: stop, as SIGTERM
//	SIGUSR2             ignored; with -killable: stop, as SIGTERM
//	SIGHUP              reload
//	SIGPIPE, SIGQUIT    ignored, so that a closed stdout or a stray key does no harm
//
// From CatchSignals on none of them ends the process by itself. Until Handle they are kept: a start that is interrupted
// completes and is then undone in order.
type Signals struct {
	stop   chan os.Signal // room for the first and the second; more add nothing
	hangup chan os.Signal // room for one; a reload serves all that came before it
	report chan os.Signal // likewise
	quit   chan struct{}
	done   chan struct{} // nil before Handle
}

// Handlers are called one at a time on a goroutine of Signals, so they must not block for long. Each is required.
type Handlers struct {
	Stop   func() // stop gracefully
	Abort  func() // end at once, exit code 1
	Reload func()
	Report func() // tell what the daemon does
}

// CatchSignals begins to catch signals. Call it before anything is created that a stop must remove.
func CatchSignals(killable bool) *Signals {
	s := &Signals{
		stop:   make(chan os.Signal, 2),
		hangup: make(chan os.Signal, 1),
		report: make(chan os.Signal, 1),
		quit:   make(chan struct{}),
	}
	signal.Ignore(syscall.SIGPIPE, syscall.SIGQUIT)
	signal.Notify(s.stop, syscall.SIGTERM, syscall.SIGINT)
	signal.Notify(s.hangup, syscall.SIGHUP)
	if killable {
		signal.Notify(s.stop, syscall.SIGUSR1, syscall.SIGUSR2)
	} else {
		signal.Notify(s.report, syscall.SIGUSR1)
		signal.Ignore(syscall.SIGUSR2)
	}
	return s
}

// Handle delivers the signals to h, those that were kept first. Call it once.
func (s *Signals) Handle(h Handlers) {
	s.done = make(chan struct{})
	go s.deliver(h)
}

func (s *Signals) deliver(h Handlers) {
	defer close(s.done)
	stop := h.Stop
	for {
		select {
		case <-s.stop:
			stop()
			stop = h.Abort
		case <-s.hangup:
			h.Reload()
		case <-s.report:
			h.Report()
		case <-s.quit:
			return
		}
	}
}

// Close ends the delivery; no handler runs afterwards. It must not be called by a handler. SIGTERM, SIGINT and
// SIGHUP have their default effect from then on, so call it last; ignored signals stay ignored, and SIGUSR1 becomes so.
func (s *Signals) Close() {
	signal.Ignore(syscall.SIGUSR1)
	signal.Stop(s.report)
	signal.Stop(s.stop)
	signal.Stop(s.hangup)
	close(s.quit)
	if s.done != nil {
		<-s.done
	}
}

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

// Postpone restarts the timer. Any goroutine may call it. On nil it does nothing.
func (a *Alarm) Postpone() {
	if a == nil {
		return
	}
	// Neither call can fail with what NewAlarm has seen.
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGALRM), uintptr(unsafe.Pointer(&a.action)), 0, sigsetSize, 0, 0)
	_, _, _ = unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(a.timer), 0, uintptr(unsafe.Pointer(&a.spec)), 0, 0, 0)
}
