package service

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// checkThreads reads what the kernel says of each thread and returns ErrPrivileged if it is not what u asks for. Without
// thorough, no_new_privs and the inheritable capabilities are not looked at.
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

// wantStatus is what the status of a thread must say.
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
