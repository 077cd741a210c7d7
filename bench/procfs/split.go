package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

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
