package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// injection is errors that strace makes of the system calls of a daemon that runs. What
// when counts are the calls of one thread; the loop seldom changes its.
type injection struct {
	t      *testing.T
	tracer *exec.Cmd
	trace  string
	ended  bool
}

// inject begins; a rule is as in strace's -e inject=rule.
func inject(t *testing.T, process *kit.Process, rules ...string) *injection {
	t.Helper()
	needRoot(t) // the daemons are not dumpable
	strace, err := exec.LookPath("strace")
	if err != nil {
		t.Skipf("no strace: %v", err)
	}
	i := &injection{t: t, trace: filepath.Join(t.TempDir(), "trace")}
	args := []string{"-f", "-qq", "-o", i.trace, "-p", strconv.Itoa(process.PID())}
	var calls []string
	for _, rule := range rules {
		call, _, _ := strings.Cut(rule, ":")
		calls = append(calls, call)
		args = append(args, "-e", "inject="+rule)
	}
	i.tracer = exec.Command(strace, append(args, "-e", "trace="+strings.Join(calls, ","))...)
	if err := i.tracer.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(i.end)
	kit.Wait(t, patience, "strace attached", func() bool { return allTraced(process.PID()) })
	return i
}

// end lets the calls succeed again; when it returns, they do.
func (i *injection) end() {
	if !i.ended {
		_ = i.tracer.Process.Signal(syscall.SIGINT)
		_ = i.tracer.Wait()
		i.ended = true
	}
}

// stop is end, and gives the calls that got an error, as strace writes them.
func (i *injection) stop() []string {
	i.t.Helper()
	i.end()
	text, err := os.ReadFile(i.trace)
	if err != nil {
		i.t.Fatal(err)
	}
	var all []string
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line) // thread, call
		if !strings.Contains(line, "(INJECTED)") || len(fields) < 2 {
			continue
		}
		all = append(all, strings.Join(fields[1:], " "))
	}
	return all
}

// allTraced reports whether each thread of a process has a tracer.
func allTraced(pid int) bool {
	files, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/status")
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		if readErr != nil || strings.Contains(string(text), "\nTracerPid:\t0\n") {
			return false
		}
	}
	return err == nil && len(files) > 0
}

// cpuWhile gives the share of a CPU that the process takes for that long, asked nothing.
func cpuWhile(t *testing.T, process *kit.Process, span time.Duration) float64 {
	t.Helper()
	began, before := time.Now(), cpuOf(t, process)
	time.Sleep(span)
	return float64(cpuOf(t, process)-before) / float64(time.Since(began))
}

// cpuOf is the CPU time that the process has taken.
func cpuOf(t *testing.T, process *kit.Process) time.Duration {
	t.Helper()
	vitals, err := kit.ReadVitals(process.PID())
	if err != nil {
		t.Fatal(err)
	}
	return vitals.CPU
}
