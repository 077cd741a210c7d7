package service

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cgoWarning says what a binary with cgo leaves undone.
const cgoWarning = "this binary was built with cgo, so no_new_privs is not set and inheritable capabilities are kept; " +
	"build it with CGO_ENABLED=0"

// Drop makes the process run as u, in all threads and for good: supplementary groups, group IDs, user IDs (real,
// effective, saved), no capabilities, no_new_privs, no core dumps. Then it tries to become root again, which must fail,
// and reads back what the kernel says of each thread. ErrNeedRoot is returned when this process is not root,
// ErrPrivileged when something is left. After any error the process is in no state to go on.
//
// Warnings name what could not be done for the lack of means and does not endanger what was asked: in a binary built
// with cgo, or without /proc.
func (u User) Drop() (warnings []string, err error) {
	if os.Geteuid() != 0 {
		return nil, ErrNeedRoot
	}
	steps := []struct {
		what string
		do   func() error
	}{
		{"set the groups", func() error { return syscall.Setgroups(u.Groups) }},
		{"set the group ID", func() error { return syscall.Setresgid(u.GID, u.GID, u.GID) }},
		{"set the user ID", func() error { return syscall.Setresuid(u.UID, u.UID, u.UID) }},
		{"give up capabilities", clearCapabilities},
		{"set no_new_privs", forbidNewPrivileges},
		{"forbid core dumps", ForbidDumps},
		{"make sure", u.tryBack},
	}
	thorough := true
	for _, s := range steps {
		err := s.do()
		if errors.Is(err, syscall.ENOTSUP) { // AllThreadsSyscall in a binary with cgo
			thorough = false
		} else if err != nil {
			return nil, fmt.Errorf("-user %s: cannot %s: %w", u.Name, s.what, err)
		}
	}
	if !thorough {
		warnings = append(warnings, cgoWarning)
	}
	return u.readBack(warnings, thorough)
}

// readBack adds the verdict on the threads to that of the steps.
func (u User) readBack(warnings []string, thorough bool) ([]string, error) {
	err := u.checkThreads(thorough)
	if errors.Is(err, os.ErrNotExist) {
		return append(warnings, "the privileges that are left could not be read back, as /proc is not mounted"), nil
	}
	if err != nil {
		return nil, fmt.Errorf("-user %s: %w", u.Name, err)
	}
	return warnings, nil
}

// clearCapabilities empties the effective, permitted and inheritable sets. The kernel empties the first two with the
// change of the user ID, but for processes whose securebits say otherwise, and never the third.
func clearCapabilities() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return onAllThreads(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&header)), uintptr(unsafe.Pointer(&none)))
}

// forbidNewPrivileges makes set-user-ID programs and file capabilities void for us.
func forbidNewPrivileges() error {
	return onAllThreads(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1)
}

// onAllThreads makes one system call in each thread, ENOTSUP in a binary with cgo.
//
//go:uintptrescapes
func onAllThreads(trap, a1, a2 uintptr) error {
	if _, _, errno := syscall.AllThreadsSyscall(trap, a1, a2, 0); errno != 0 {
		return errno
	}
	return nil
}

// ForbidDumps keeps the memory of this process out of core dumps and away from debuggers of the same user
// (PR_SET_DUMPABLE, prctl(2)): it holds keys of TLS sessions. Drop does so too; a daemon that starts as an ordinary user
// calls it itself.
func ForbidDumps() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

// tryBack attempts to become root again; each attempt must fail.
func (u User) tryBack() error {
	switch {
	case syscall.Setresuid(0, 0, 0) == nil:
		return fmt.Errorf("%w: the user ID can be set to 0", ErrPrivileged)
	case u.GID != 0 && syscall.Setresgid(0, 0, 0) == nil:
		return fmt.Errorf("%w: the group ID can be set to 0", ErrPrivileged)
	case syscall.Setgroups([]int{0}) == nil:
		return fmt.Errorf("%w: the groups can be set", ErrPrivileged)
	}
	return nil
}
