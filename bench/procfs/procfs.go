package procfs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrFormat is returned when a file of the kernel does not look as it should.
var ErrFormat = errors.New("unexpected format")

// Accounting names the source of CPUTime, for reports.
const Accounting = "clock_gettime on the process's CPU-time clock (clock_getcpuclockid): the scheduler's own sum, " +
	"user and system, in nanoseconds, of all threads, those that have ended included"

// CPUTime returns the processor time, user and system together, that all threads of the process have taken so far, the
// ended ones and those that run this moment included. It is the sum that the scheduler keeps, in nanoseconds; the
// figures of /proc/PID/stat count in hundredths of a second, and a sum over /proc/PID/task misses threads that ended.
func CPUTime(pid int) (time.Duration, error) {
	var t unix.Timespec
	err := unix.ClockGettime(processClock(pid), &t)
	if err == unix.EINVAL || err == unix.ESRCH {
		err = os.ErrNotExist
	}
	if err != nil {
		return 0, fmt.Errorf("CPU clock of process %d: %w", pid, err)
	}
	return time.Duration(t.Nano()), nil
}

// processClock is what clock_getcpuclockid(3) returns: the process ID inverted, shifted, and the number of the clock
// that the scheduler keeps.
func processClock(pid int) int32 {
	const schedulerClock = 2
	return int32(^pid<<3 | schedulerClock)
}

// tick is the unit of times in /proc: USER_HZ is 100 on every Linux that Go runs on.
const tick = time.Second / 100

// Split is how a process's time divides into user and system. It is sampled by the timer tick, so it is rough: 10 ms.
type Split struct {
	User, System time.Duration
}

// SplitTime reads the split from /proc/PID/stat.
func SplitTime(pid int) (Split, error) {
	path := fmt.Sprintf("/proc/%d/stat", pid)
	b, err := os.ReadFile(path)
	if err != nil {
		return Split{}, err
	}
	s, err := parseStat(b)
	if err != nil {
		return Split{}, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// parseStat takes fields 14 and 15. The second field is the command in parentheses, and may hold any byte.
func parseStat(b []byte) (Split, error) {
	end := bytes.LastIndexByte(b, ')')
	if end < 0 {
		return Split{}, fmt.Errorf("%w: no command in %q", ErrFormat, b)
	}
	fields := bytes.Fields(b[end+1:])
	const user, system = 14 - 3, 15 - 3 // the first field here is the third
	if len(fields) <= system {
		return Split{}, fmt.Errorf("%w: %d fields after the command, want over %d", ErrFormat, len(fields), system)
	}
	u, userErr := strconv.ParseInt(string(fields[user]), 10, 64)
	s, systemErr := strconv.ParseInt(string(fields[system]), 10, 64)
	if userErr != nil || systemErr != nil {
		return Split{}, fmt.Errorf("%w: times %q and %q", ErrFormat, fields[user], fields[system])
	}
	return Split{User: time.Duration(u) * tick, System: time.Duration(s) * tick}, nil
}

// Busy is what the processors of the machine have done since it was started, in steps of 10 ms.
type Busy struct {
	Work  time.Duration // of all processes and of the kernel
	Steal time.Duration // the hypervisor gave to others what this machine wanted
}

// MachineBusy reads /proc/stat.
func MachineBusy() (Busy, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Busy{}, err
	}
	return parseBusy(b)
}

// parseBusy reads the line of all processors: user nice system idle iowait irq softirq steal.
func parseBusy(b []byte) (Busy, error) {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	fields := strings.Fields(string(line))
	if len(fields) < 9 || fields[0] != "cpu" {
		return Busy{}, fmt.Errorf("/proc/stat: %w: %q", ErrFormat, line)
	}
	var ticks [8]time.Duration
	for i := range ticks {
		n, err := strconv.ParseInt(fields[i+1], 10, 64)
		if err != nil {
			return Busy{}, fmt.Errorf("/proc/stat: %w: %q", ErrFormat, line)
		}
		ticks[i] = time.Duration(n) * tick
	}
	return Busy{Work: ticks[0] + ticks[1] + ticks[2] + ticks[5] + ticks[6], Steal: ticks[7]}, nil
}

// CPUModel returns the name of the first processor in /proc/cpuinfo, or "" when the kernel does not give one.
func CPUModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	return parseModel(b)
}

func parseModel(b []byte) string {
	for line := range bytes.Lines(b) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return ""
}

// TotalMemory returns the bytes of memory of the machine.
func TotalMemory() (int64, error) { return readKiB("/proc/meminfo", "MemTotal:") }

// Memory is the memory of a process in bytes.
type Memory struct {
	Resident int64
	Peak     int64 // the most that was ever resident
}

// MemoryOf reads /proc/PID/status, which is cheap.
func MemoryOf(pid int) (Memory, error) {
	path := fmt.Sprintf("/proc/%d/status", pid)
	resident, err := readKiB(path, "VmRSS:")
	if err != nil {
		return Memory{}, err
	}
	peak, err := readKiB(path, "VmHWM:")
	return Memory{Resident: resident, Peak: peak}, err
}

// Resident counts the resident pages of the process one by one (/proc/PID/smaps_rollup) and returns bytes. It is exact,
// where MemoryOf may be some hundred KiB off, and takes milliseconds for a large process.
func Resident(pid int) (int64, error) {
	return readKiB(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss:")
}

func readKiB(path, name string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	n, err := parseKiB(b, name)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return n, nil
}

// parseKiB finds the line that begins with name, and returns its figure in bytes.
func parseKiB(b []byte, name string) (int64, error) {
	for line := range bytes.Lines(b) {
		rest, ok := bytes.CutPrefix(line, []byte(name))
		if !ok {
			continue
		}
		fields := bytes.Fields(rest)
		if len(fields) != 2 || string(fields[1]) != "kB" {
			return 0, fmt.Errorf("%w: %q", ErrFormat, line)
		}
		n, err := strconv.ParseInt(string(fields[0]), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: %q", ErrFormat, line)
		}
		return n << 10, nil
	}
	return 0, fmt.Errorf("%w: no line %q", ErrFormat, name)
}

// Descriptors returns how many descriptors the process has open.
func Descriptors(pid int) (int, error) {
	names, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(names), err
}
