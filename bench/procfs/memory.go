package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

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
