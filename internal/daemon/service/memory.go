package service

import (
	"fmt"
	"math"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// MemoryLimit is the memory that this process may take.
type MemoryLimit struct {
	Bytes int64 // 0: unknown
	// Path is the file of the control group that sets the limit, or "": the machine has no
	// more.
	Path string
}

// FindMemoryLimit returns the memory of the machine, or the lowest limit of the process's
// memory control group and its parents if that is less. Groups of both versions count.
func FindMemoryLimit() MemoryLimit {
	var limit MemoryLimit
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) == nil {
		limit.Bytes = int64(info.Totalram) * int64(info.Unit)
	}
	return limit.orGroups("/")
}

// orGroups is the lower of the limit and those of the control groups that the files under
// root tell. What cannot be read limits nothing.
func (l MemoryLimit) orGroups(root string) MemoryLimit {
	groups, err := os.ReadFile(path.Join(root, "proc/self/cgroup"))
	if err != nil {
		return l
	}
	mounts, err := os.ReadFile(path.Join(root, "proc/self/mountinfo"))
	if err != nil {
		return l
	}
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseMemoryMount(line)
		if !ok {
			continue
		}
		for line := range strings.Lines(string(groups)) {
			if group, ok := m.group(strings.TrimSuffix(line, "\n")); ok {
				l = l.orParents(root, m, group)
			}
		}
	}
	return l
}

// orParents is the lower of the limit and those of a group and of its parents.
func (l MemoryLimit) orParents(root string, m memoryMount, group string) MemoryLimit {
	for ; ; group = path.Dir(group) {
		for _, name := range m.files {
			file := path.Join(m.directory, group, name)
			if bytes, ok := readLimit(path.Join(root, file)); ok && (l.Bytes == 0 || bytes < l.Bytes) {
				l = MemoryLimit{Bytes: bytes, Path: file}
			}
		}
		if group == "/" {
			return l
		}
	}
}

// readLimit reads a file that holds a number of bytes, or “max”.
func readLimit(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return int64(min(n, math.MaxInt64)), err == nil
}

// memoryMount is a directory in which memory control groups are mounted.
type memoryMount struct {
	controllers string   // of the groups, as in /proc/self/cgroup: "" in version 2
	top         string   // the group that the directory shows
	directory   string   // where it is mounted
	files       []string // of each group, that have its limits
}

// parseMemoryMount reads a line of /proc/self/mountinfo (proc_pid_mountinfo(5)):
//
//	34 30 0:31 /top /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
func parseMemoryMount(line string) (memoryMount, bool) {
	mount, filesystem, _ := strings.Cut(line, " - ")
	before, after := strings.Fields(mount), strings.Fields(filesystem)
	if len(before) < 5 || len(after) < 3 {
		return memoryMount{}, false
	}
	m := memoryMount{top: before[3], directory: before[4]}
	switch {
	case after[0] == "cgroup2":
		m.files = []string{"memory.max", "memory.high"}
	case after[0] == "cgroup" && slices.Contains(strings.Split(after[2], ","), "memory"):
		m.controllers, m.files = "memory", []string{"memory.limit_in_bytes"}
	}
	return m, m.files != nil
}

// group reads a line of /proc/self/cgroup, such as 4:memory:/path or 0::/path. It returns
// the path of that group below the mounted directory. In a container that path may not
// show where the process is: the directory itself is the nearest group that can be seen.
func (m memoryMount) group(line string) (string, bool) {
	fields := strings.SplitN(line, ":", 3)
	if len(fields) < 3 || !slices.Contains(strings.Split(fields[1], ","), m.controllers) {
		return "", false
	}
	below, ok := strings.CutPrefix(fields[2], strings.TrimSuffix(m.top, "/"))
	if !ok || below != "" && below[0] != '/' {
		return "/", true
	}
	return path.Clean("/" + below), true
}

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
