package service

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// TestMemoryLimitOfControlGroups reads the files of a machine or container that they make.
func TestMemoryLimitOfControlGroups(t *testing.T) {
	const (
		v1     = "34 30 0:31 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
		v2     = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid = v1 + "40 30 0:37 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n"
		docker = "34 30 0:31 /docker/a1 /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n"
	)
	const machine = 8000
	for _, row := range []struct {
		name           string
		groups, mounts string
		files          map[string]string
		want           MemoryLimit
	}{
		{name: "no /proc", want: MemoryLimit{Bytes: machine}},
		{"version 2, its own group", "0::/system.slice/dc\n", v2,
			map[string]string{"/sys/fs/cgroup/system.slice/dc/memory.max": "500\n", "/sys/fs/cgroup/system.slice/memory.max": "max\n"},
			MemoryLimit{500, "/sys/fs/cgroup/system.slice/dc/memory.max"}},
		{"version 2, a parent", "0::/system.slice/dc\n", v2,
			map[string]string{"/sys/fs/cgroup/system.slice/dc/memory.max": "max\n", "/sys/fs/cgroup/system.slice/memory.max": "600\n"},
			MemoryLimit{600, "/sys/fs/cgroup/system.slice/memory.max"}},
		{"version 2, the lower of two", "0::/a/b\n", v2,
			map[string]string{"/sys/fs/cgroup/a/b/memory.max": "700\n", "/sys/fs/cgroup/a/memory.max": "600\n"},
			MemoryLimit{600, "/sys/fs/cgroup/a/memory.max"}},
		{"version 2, slowed down from", "0::/a\n", v2,
			map[string]string{"/sys/fs/cgroup/a/memory.max": "700\n", "/sys/fs/cgroup/a/memory.high": "500\n"},
			MemoryLimit{500, "/sys/fs/cgroup/a/memory.high"}},
		{"version 2, in a container", "0::/\n", v2,
			map[string]string{"/sys/fs/cgroup/memory.max": "500\n"}, MemoryLimit{500, "/sys/fs/cgroup/memory.max"}},
		{"version 2, outside of the namespace", "0::/../other\n", v2,
			map[string]string{"/sys/fs/cgroup/memory.max": "500\n"}, MemoryLimit{500, "/sys/fs/cgroup/memory.max"}},
		{"version 2, no limit", "0::/a\n", v2, map[string]string{"/sys/fs/cgroup/a/memory.max": "max\n"}, MemoryLimit{Bytes: machine}},
		{"more than the machine has", "0::/a\n", v2, map[string]string{"/sys/fs/cgroup/a/memory.max": "9000\n"}, MemoryLimit{Bytes: machine}},
		{"version 1", "8:pids:/other\n4:memory:/dc:1\n0::/\n", hybrid,
			map[string]string{"/sys/fs/cgroup/memory/dc:1/memory.limit_in_bytes": "500\n"},
			MemoryLimit{500, "/sys/fs/cgroup/memory/dc:1/memory.limit_in_bytes"}},
		{"version 1, a parent", "4:cpu,memory:/a/b\n", v1,
			map[string]string{"/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes": "9223372036854771712\n", "/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "500\n"},
			MemoryLimit{500, "/sys/fs/cgroup/memory/a/memory.limit_in_bytes"}},
		{"version 1, in a container", "4:memory:/docker/a1\n", docker,
			map[string]string{"/sys/fs/cgroup/memory/memory.limit_in_bytes": "500\n"},
			MemoryLimit{500, "/sys/fs/cgroup/memory/memory.limit_in_bytes"}},
		{"version 1, below a container", "4:memory:/docker/a1/dc\n", docker,
			map[string]string{"/sys/fs/cgroup/memory/dc/memory.limit_in_bytes": "500\n"},
			MemoryLimit{500, "/sys/fs/cgroup/memory/dc/memory.limit_in_bytes"}},
		{"version 1, another container's name", "4:memory:/docker/a1234\n", docker,
			map[string]string{"/sys/fs/cgroup/memory/memory.limit_in_bytes": "500\n"},
			MemoryLimit{500, "/sys/fs/cgroup/memory/memory.limit_in_bytes"}},
		{"a group of another controller", "8:pids:/a\n", v1,
			map[string]string{"/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "500\n"}, MemoryLimit{Bytes: machine}},
		{"lines of another form", "\n:\n0:memory\n4:memory:\n", "\n - \n1 2 3 - cgroup2\n" + v1, nil, MemoryLimit{Bytes: machine}},
	} {
		t.Run(row.name, func(t *testing.T) {
			root := t.TempDir()
			if row.groups != "" {
				writeUnder(t, root, "/proc/self/cgroup", row.groups)
				writeUnder(t, root, "/proc/self/mountinfo", "22 1 0:20 / / rw - ext4 /dev/vda rw\n"+row.mounts)
			}
			for file, text := range row.files {
				writeUnder(t, root, file, text)
			}
			if got := (MemoryLimit{Bytes: machine}).orGroups(root); got != row.want {
				t.Errorf("got %+v, want %+v", got, row.want)
			}
		})
	}
}

func writeUnder(t *testing.T, root, file, text string) {
	t.Helper()
	file = filepath.Join(root, file)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestMemoryLimitOfThisProcess is that of a machine that runs Go.
func TestMemoryLimitOfThisProcess(t *testing.T) {
	if got := FindMemoryLimit(); got.Bytes < 64<<20 || got.Bytes > 1<<50 {
		t.Errorf("got %+v, want something between 64 MiB and 1 PiB", got)
	}
}

// TestWhyRefused: of several limits, the one that was met is named.
func TestWhyRefused(t *testing.T) {
	const none = unix.RLIM_INFINITY
	for _, row := range []struct {
		name       string
		data, as   uint64
		overcommit string
		want       string
	}{
		{"data", 300 << 20, 900 << 20, "0\n", "RLIMIT_DATA is too small, 300 MiB (ulimit -d)"},
		{"address space", none, 900 << 20, "0\n", "RLIMIT_AS is too small, 900 MiB (ulimit -v)"},
		{"overcommit", none, none, "2\n", "the kernel promises no more memory (vm.overcommit_memory is 2)"},
		{"limits with room", 317 << 20, 917 << 20, "2\n", "the kernel promises no more memory (vm.overcommit_memory is 2)"},
		{"none of these", none, none, "1\n", "the kernel refuses more memory (vm.overcommit_memory or vm.max_map_count)"},
	} {
		status := map[string]string{"VmData": strconv.Itoa(300<<10) + " kB", "VmSize": strconv.Itoa(900<<10) + " kB"}
		got := whyRefused(16<<20, status, func(resource int, limit *unix.Rlimit) error {
			limit.Cur = map[int]uint64{unix.RLIMIT_DATA: row.data, unix.RLIMIT_AS: row.as}[resource]
			return nil
		}, row.overcommit)
		if got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}
