package service

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// WhyRefused names the limit that keeps this process from so many bytes of memory more, with the remedy, after the kernel
// has refused them. It reads /proc: it is for an event that is rare.
func WhyRefused(bytes int64) string {
	status, err := readStatus("/proc/self/status")
	if err != nil {
		return "the kernel refuses more memory (ulimit -v, ulimit -d or vm.overcommit_memory)"
	}
	overcommit, _ := os.ReadFile("/proc/sys/vm/overcommit_memory") // not there: the default, which is 0
	return whyRefused(uint64(bytes), status, unix.Getrlimit, string(overcommit))
}

func whyRefused(bytes uint64, status map[string]string, get func(resource int, limit *unix.Rlimit) error, overcommit string) string {
	for _, r := range []struct {
		resource          int
		name, flag, field string
	}{
		{unix.RLIMIT_DATA, "RLIMIT_DATA", "ulimit -d", "VmData"},
		{unix.RLIMIT_AS, "RLIMIT_AS", "ulimit -v", "VmSize"},
	} {
		kibibytes, err := strconv.ParseUint(strings.TrimSuffix(status[r.field], " kB"), 10, 54)
		var limit unix.Rlimit
		if err == nil && get(r.resource, &limit) == nil && kibibytes<<10+bytes > limit.Cur {
			return fmt.Sprintf("%s is too small, %d MiB (%s)", r.name, limit.Cur>>20, r.flag)
		}
	}
	if strings.TrimSpace(overcommit) == "2" {
		return "the kernel promises no more memory (vm.overcommit_memory is 2)"
	}
	return "the kernel refuses more memory (vm.overcommit_memory or vm.max_map_count)"
}
