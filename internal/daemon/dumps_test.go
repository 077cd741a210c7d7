package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// TestNoDumps: a daemon holds keys of TLS sessions, so its memory is not for others of the
// same user, and no core dump takes it. With -dumpable it is as that of any process.
func TestNoDumps(t *testing.T) {
	t.Parallel()
	needRoot(t)
	for _, row := range []struct {
		name string
		args []string
		as   *syscall.SysProcAttr
		open bool
	}{
		{"started as an ordinary user", nil, asNobody(), false},
		{"with -user", []string{"-user", "nobody"}, nil, false},
		{"started as an ordinary user, -dumpable", []string{"-dumpable"}, asNobody(), true},
		{"with -user, -dumpable", []string{"-user", "nobody", "-dumpable"}, nil, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				if err := os.Chmod(filepath.Dir(at.Address), 0o777); err != nil {
					t.Fatal(err)
				}
				c := p.command(append(row.args, "-listen", at.String())...)
				c.Sys = row.as
				process := p.run(t, c)
				if got := threadStatus(t, process.PID())[0]["Uid"]; !strings.HasPrefix(got, "65534 ") {
					t.Fatalf("got user %s, want nobody", got)
				}
				mustBeOpen(t, process, row.open)
				limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", process.PID()))
				if err != nil {
					t.Fatal(err)
				}
				if _, value, _ := strings.Cut(string(limits), "Max core file size"); !row.open && strings.Join(strings.Fields(value)[:2], " ") != "0 0" {
					t.Errorf("got the limits of core dumps %v, want 0 for good", strings.Fields(value)[:2])
				}
			})
		})
	}
}

// mustBeOpen tries, as the daemon's own user, all ways into its memory: either each must be
// open or none.
func mustBeOpen(t *testing.T, process *kit.Process, want bool) {
	t.Helper()
	if yama, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope"); want && err == nil && string(yama) != "0\n" {
		t.Log("this kernel keeps users out of their own processes (Yama)")
		return
	}
	pid := process.PID()
	for name, try := range map[string]func() error{
		"process_vm_readv":            func() error { return readMemory(pid) },
		"/proc/PID/mem":               func() error { return readable(fmt.Sprintf("/proc/%d/mem", pid)) },
		"/proc/PID/maps":              func() error { return readable(fmt.Sprintf("/proc/%d/maps", pid)) },
		"environment":                 func() error { return readable(fmt.Sprintf("/proc/%d/environ", pid)) },
		"ptrace, as gdb and gcore do": func() error { return unix.PtraceSeize(pid) }, // which ends with the thread
	} {
		var err error
		caller{uid: nobody, gid: nobody}.do(t, func() error { err = try(); return nil })
		if (err == nil) != want {
			t.Errorf("%s: got %v, want it open: %v", name, err, want)
		}
	}
}

// readMemory reads a byte at an address that no process has: EFAULT tells that it may.
func readMemory(pid int) error {
	b := make([]byte, 1)
	local := []unix.Iovec{{Base: &b[0], Len: 1}}
	_, err := unix.ProcessVMReadv(pid, local, []unix.RemoteIovec{{Base: 1, Len: 1}}, 0)
	if err == unix.EFAULT {
		return nil
	}
	return err
}

func readable(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	return file.Close()
}

// TestNoCore kills a daemon in the way that leaves a core dump, where its limit allows one:
// there is none, but with -dumpable. The Go runtime takes half a minute to end in that way.
// service.TestForbidDumpsLeavesNoCore has what is behind it.
func TestNoCore(t *testing.T) {
	t.Parallel()
	if !kit.Full() {
		t.Skip("takes half a minute (make faults)")
	}
	if pattern, err := os.ReadFile("/proc/sys/kernel/core_pattern"); err != nil || strings.HasPrefix(string(pattern), "|") || strings.Contains(string(pattern), "/") {
		t.Skipf("core dumps do not go into the working directory: %q, %v", pattern, err)
	}
	for _, dumpable := range []bool{false, true} {
		t.Run(fmt.Sprintf("-dumpable=%v", dumpable), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				c := inShell(p.command("-listen", kit.Unix(t).String(), fmt.Sprintf("-dumpable=%v", dumpable)), "ulimit -c unlimited")
				c.Dir, c.Env = t.TempDir(), []string{"GOTRACEBACK=crash"}
				process := p.run(t, c)
				process.Signal(syscall.SIGABRT)
				process.Exit(5 * time.Minute)
				found, err := filepath.Glob(c.Dir + "/*core*")
				if err != nil || (len(found) > 0) != dumpable {
					t.Errorf("got files %v, %v, want a core dump: %v", found, err, dumpable)
				}
			})
		})
	}
}
