package service

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

var (
	// ErrNeedRoot is returned when a process that is not root is to change its user.
	ErrNeedRoot = errors.New("changing the user needs root")
	// ErrPrivileged is returned when privileges remain after they were dropped.
	ErrPrivileged = errors.New("privileges remain")
)

// User is an account to run as.
type User struct {
	Name     string // as given to -user
	UID, GID int
	Groups   []int // all groups of the user, GID among them, ascending
	// Kept tells that there is nothing to change: the process runs as this user already, or the
	// user is root, who keeps all privileges.
	Kept bool
}

// Warning tells that a user keeps all privileges, or is "".
func (u User) Warning() string {
	if u.UID != 0 {
		return ""
	}
	return fmt.Sprintf("-user %s: it is the superuser, so no privileges are dropped", u.Name)
}

// LookupUser finds the account called name, or with that number as its ID, for Drop, unless it is Kept. It changes nothing.
// ErrNeedRoot is returned when this process is neither root nor that user. A number without an account is refused, since its
// groups are unknown.
func LookupUser(name string) (User, error) {
	account, err := user.Lookup(name)
	if errors.As(err, new(user.UnknownUserError)) {
		// Keep the error "unknown user": that of LookupId would be about a number.
		if byID, failed := user.LookupId(name); failed == nil {
			account, err = byID, nil
		}
	}
	if err != nil {
		return User{}, fmt.Errorf("-user %s: %w", name, err)
	}
	u, err := newUser(name, account)
	u.Kept = u.UID == os.Geteuid()
	if err == nil && !u.Kept && os.Geteuid() != 0 {
		err = ErrNeedRoot
	}
	if err != nil {
		return User{}, fmt.Errorf("-user %s: %w", name, err)
	}
	return u, nil
}

// newUser adds the groups of an account.
func newUser(name string, account *user.User) (User, error) {
	groups, err := account.GroupIds()
	if err != nil {
		return User{}, fmt.Errorf("cannot find its groups: %w", err)
	}
	ids, err := parseIDs(append(groups, account.Uid, account.Gid))
	if err != nil {
		return User{}, err
	}
	u := User{Name: name, UID: ids[len(ids)-2], GID: ids[len(ids)-1]}
	u.Groups = append(ids[:len(ids)-2], u.GID)
	slices.Sort(u.Groups)
	u.Groups = slices.Compact(u.Groups)
	return u, nil
}

// parseIDs turns decimal IDs into numbers.
func parseIDs(texts []string) ([]int, error) {
	ids := make([]int, 0, len(texts))
	for _, text := range texts {
		id, err := strconv.ParseUint(text, 10, 32)
		if err != nil || id == math.MaxUint32 { // (uid_t)-1 means "leave as it is" to the kernel
			return nil, fmt.Errorf("ID %q is not a number below 4294967295", text)
		}
		ids = append(ids, int(id))
	}
	return ids, nil
}

// cgoWarning tells which steps a binary with cgo leaves out.
const cgoWarning = "no_new_privs is not set and inheritable capabilities are kept, because this binary was built with cgo; " +
	"build it with CGO_ENABLED=0"

// Drop makes the process run as u, in all threads and for good: supplementary groups, group IDs, user IDs (real,
// effective, saved), no capabilities, no_new_privs. Then it tries to become root again, which must fail,
// and reads the credentials of each thread back from /proc. ErrNeedRoot is returned when this process is not root,
// ErrPrivileged when a privilege remains. After any error the process must end.
//
// Warnings name lesser steps that were impossible: in a binary built with cgo, or without /proc.
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
		{"drop the capabilities", clearCapabilities},
		{"set no_new_privs", forbidNewPrivileges},
		{"verify the drop", u.tryBack},
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

// readBack checks all threads.
func (u User) readBack(warnings []string, thorough bool) ([]string, error) {
	err := u.checkThreads(thorough)
	if errors.Is(err, os.ErrNotExist) {
		return append(warnings, "cannot verify that privileges were dropped: /proc is not mounted"), nil
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

// forbidNewPrivileges takes the effect from set-user-ID programs and file capabilities.
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

// checkThreads reads the status of each thread from /proc and returns ErrPrivileged if it is not that of u. Unless
// thorough, no_new_privs and the inheritable capabilities are not checked.
func (u User) checkThreads(thorough bool) error {
	const tasks = "/proc/self/task"
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return err
	}
	want := u.wantStatus(thorough)
	for _, thread := range threads {
		got, err := readStatus(tasks + "/" + thread.Name() + "/status")
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return err
		}
		for _, w := range want {
			if got[w.field] != w.value {
				return fmt.Errorf("%w: %s of thread %s is %q, must be %q", ErrPrivileged, w.field, thread.Name(), got[w.field], w.value)
			}
		}
	}
	return nil
}

// statusField is one line of /proc/PID/status.
type statusField struct{ field, value string }

// wantStatus lists the fields that the status of each thread must have.
func (u User) wantStatus(thorough bool) []statusField {
	const noCapability = "0000000000000000"
	groups := make([]string, 0, len(u.Groups))
	for _, id := range slices.Sorted(slices.Values(u.Groups)) {
		groups = append(groups, strconv.Itoa(id))
	}
	want := []statusField{
		{"Uid", fourTimes(u.UID)},
		{"Gid", fourTimes(u.GID)},
		{"Groups", strings.Join(groups, " ")},
		{"CapPrm", noCapability},
		{"CapEff", noCapability},
		{"CapAmb", noCapability},
	}
	if thorough {
		want = append(want, statusField{"CapInh", noCapability}, statusField{"NoNewPrivs", "1"})
	}
	return want
}

// fourTimes is how the kernel writes the real, effective, saved and file system ID.
func fourTimes(id int) string {
	text := strconv.Itoa(id)
	return strings.Join([]string{text, text, text, text}, "\t")
}
