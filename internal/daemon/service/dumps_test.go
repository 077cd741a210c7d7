package service

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// playAbort ends by a signal that leaves a core dump, after ForbidDumps or AllowDumps.
func playAbort(args []string) int {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil || limit.Max == 0 {
		fmt.Println("no core dumps")
		return 0
	}
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: limit.Max, Max: limit.Max})
	guard := map[string]func() error{"forbid": ForbidDumps, "allow": AllowDumps}[args[0]]
	if err := guard(); err != nil {
		fmt.Println(err)
		return 1
	}
	var byDefault [4]uintptr // struct sigaction: the Go runtime has a handler of its own
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(unix.SIGABRT), uintptr(unsafe.Pointer(&byDefault)), 0, 8, 0, 0)
	fmt.Println("aborting")
	_ = unix.Kill(os.Getpid(), unix.SIGABRT)
	select {}
}

// TestForbidDumpsLeavesNoCore: a process that aborts leaves a core dump after AllowDumps alone.
func TestForbidDumpsLeavesNoCore(t *testing.T) {
	pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern")
	if err != nil || strings.ContainsAny(string(pattern), "|/") {
		t.Skipf("core dumps do not go into the working directory: %q, %v", pattern, err)
	}
	for guard, want := range map[string]bool{"forbid": false, "allow": true} {
		t.Run(guard, func(t *testing.T) {
			directory := t.TempDir()
			p := startRole(t, "abort", func(cmd *exec.Cmd) { cmd.Dir = directory }, guard)
			switch got := p.line(t); got {
			case "aborting":
			case "no core dumps":
				t.Skip("the hard limit of core dumps is 0")
			default:
				t.Fatal(got)
			}
			_ = p.cmd.Wait()
			found, err := filepath.Glob(directory + "/*core*")
			if err != nil || (len(found) > 0) != want {
				t.Errorf("got files %v, %v, want a core dump: %v", found, err, want)
			}
		})
	}
}
