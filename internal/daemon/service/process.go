package service

import (
	"errors"
	"math"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// RaiseNofile raises the limit of open descriptors toward want: the soft limit up to the hard one and, where that is
// permitted (root), the hard one up to fs.nr_open. It never lowers a limit and returns the one in force, which may be
// less than want; math.MaxInt stands for none. Call it before privileges are dropped.
func RaiseNofile(want int) (got int, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, os.NewSyscallError("getrlimit", err)
	}
	target := uint64(max(want, 0))
	if limit.Cur >= target {
		return limitInt(limit.Cur), nil
	}
	soft := syscall.Rlimit{Cur: min(target, limit.Max), Max: limit.Max}
	if target > limit.Max {
		top := min(target, max(openMax(), limit.Max))
		err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: top, Max: top})
		if err == nil {
			return limitInt(top), nil
		}
		if !errors.Is(err, syscall.EPERM) {
			return limitInt(limit.Cur), os.NewSyscallError("setrlimit", err)
		}
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &soft); err != nil {
		return limitInt(limit.Cur), os.NewSyscallError("setrlimit", err)
	}
	return limitInt(soft.Cur), nil
}

// CountInherited returns how many descriptors beside 0, 1 and 2 this process got from the one that started it. Those that
// Go or this module opens are close-on-exec, and are not among them. Call it before a descriptor that was passed in is
// taken over. Without /proc it looks at the first thousand.
func CountInherited() int {
	var fds []int
	if entries, err := os.ReadDir("/proc/self/fd"); err == nil {
		for _, e := range entries {
			if fd, err := strconv.Atoi(e.Name()); err == nil {
				fds = append(fds, fd)
			}
		}
	} else {
		for fd := range 1000 {
			fds = append(fds, fd)
		}
	}
	n := 0
	for _, fd := range fds {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); fd > 2 && err == nil && flags&unix.FD_CLOEXEC == 0 {
			n++
		}
	}
	return n
}

// openMax is fs.nr_open, which not even root can exceed; the kernel's default without /proc.
func openMax() uint64 {
	const kernelDefault = 1 << 20
	text, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return kernelDefault
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	if err != nil {
		return kernelDefault
	}
	return n
}

func limitInt(limit uint64) int { return int(min(limit, math.MaxInt)) }

// ForbidDumps keeps the memory of this process, which has keys of TLS sessions, out of core dumps and away from debuggers of the
// same user (PR_SET_DUMPABLE, prctl(2); RLIMIT_CORE). A change of the user ID resets the first: call it after User.Drop.
func ForbidDumps() error {
	return errors.Join(
		os.NewSyscallError("prctl PR_SET_DUMPABLE", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0)),
		os.NewSyscallError("setrlimit RLIMIT_CORE", unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})))
}

// AllowDumps lets debuggers of the same user look into this process, which a change of the user ID forbids, and leaves
// RLIMIT_CORE as it is.
func AllowDumps() error {
	return os.NewSyscallError("prctl PR_SET_DUMPABLE", unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0))
}

// sigevent is struct sigevent of sigevent(7), with the signal for the whole process (SIGEV_SIGNAL, 0).
type sigevent struct {
	value  uintptr
	signo  int32
	notify int32
	_      [52]byte
}

// KillAfter has the kernel kill this process (SIGKILL) after d. It is for a process that is about
// to end because of a bug: it then ends even if an unread stderr blocks its last log lines, or the Go runtime waits for a
// thread that never comes.
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

// Traced reports whether a debugger or strace is attached to a thread of this process (ptrace(2)), and may hold it for as
// long as it likes. Without /proc the answer is no.
func Traced() bool {
	const tasks = "/proc/self/task"
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return false
	}
	for _, thread := range threads {
		status, err := readStatus(tasks + "/" + thread.Name() + "/status")
		if err == nil && status["TracerPid"] != "0" {
			return true
		}
	}
	return false
}

// readStatus reads a status file of /proc (proc(5)) into its fields; spaces around the values are removed.
func readStatus(path string) (map[string]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	fields := make(map[string]string)
	for line := range strings.Lines(string(text)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			fields[name] = strings.TrimSpace(value)
		}
	}
	return fields, nil
}
