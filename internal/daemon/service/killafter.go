package service

import (
	"os"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sigevent is struct sigevent of sigevent(7), with the signal for the whole process (SIGEV_SIGNAL, 0).
type sigevent struct {
	value  uintptr
	signo  int32
	notify int32
	_      [52]byte
}

// KillAfter has the kernel kill this process (SIGKILL) after d, whatever it does then. It is for a process that is about
// to end because something is wrong with it: should its last words wait for somebody who does not read them, or the Go
// runtime for a thread that never comes, it ends all the same.
func KillAfter(d time.Duration) error {
	event := sigevent{signo: int32(unix.SIGKILL)}
	var timer int32
	_, _, errno := unix.RawSyscall(unix.SYS_TIMER_CREATE, unix.CLOCK_MONOTONIC,
		uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer)))
	if errno != 0 {
		return os.NewSyscallError("timer_create", errno)
	}
	at := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, d.Nanoseconds()))}
	_, _, errno = unix.RawSyscall6(unix.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&at)), 0, 0, 0)
	if errno != 0 {
		return os.NewSyscallError("timer_settime", errno)
	}
	return nil
}
