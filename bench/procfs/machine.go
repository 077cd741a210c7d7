package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

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
