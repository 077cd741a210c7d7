package kit

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTick is the unit of the times in /proc/PID/stat: USER_HZ, 100 on Linux.
const clockTick = 10 * time.Millisecond

// Vitals is how a process is, by /proc.
type Vitals struct {
	FDs     int
	Threads int
	RSS     int64         // bytes
	CPU     time.Duration // user and system time since it began, in steps of 10 ms
}

// String gives them in one line.
func (v Vitals) String() string {
	return fmt.Sprintf("%d descriptors, %d threads, %d KB resident, %v of CPU", v.FDs, v.Threads, v.RSS>>10, v.CPU)
}

// ReadVitals reads those of a process. It returns ErrEnded when there is none of that
// ID, or it is dead and only waits to be reaped.
func ReadVitals(pid int) (Vitals, error) {
	dir := "/proc/" + strconv.Itoa(pid)
	text, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return Vitals{}, gone(pid, err)
	}
	v, err := parseStat(string(text), os.Getpagesize())
	if err != nil {
		return Vitals{}, fmt.Errorf("%s/stat: %w", dir, err)
	}
	fds, err := os.ReadDir(dir + "/fd")
	if err != nil {
		return Vitals{}, gone(pid, err)
	}
	v.FDs = len(fds)
	return v, nil
}

// gone says of an error from /proc/PID whether it means that the process is no more.
func gone(pid int, err error) error {
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("process %d: %w", pid, ErrEnded)
	}
	return err
}

// parseStat reads a line of /proc/PID/stat, see proc(5). The second field is the
// program's name in brackets and may hold spaces and brackets itself.
func parseStat(text string, pageSize int) (Vitals, error) {
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	number := func(field int) int64 { // as proc(5) numbers them, from 1
		if field-3 >= len(fields) {
			return -1
		}
		n, err := strconv.ParseInt(fields[field-3], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	if len(fields) > 0 && (fields[0] == "Z" || fields[0] == "X") {
		return Vitals{}, ErrEnded
	}
	user, system, threads, pages := number(14), number(15), number(20), number(24)
	if min(user, system, threads, pages) < 0 {
		return Vitals{}, fmt.Errorf("got %q, want the fields of proc(5)", text)
	}
	return Vitals{
		Threads: int(threads),
		RSS:     pages * int64(pageSize),
		CPU:     time.Duration(user+system) * clockTick,
	}, nil
}
