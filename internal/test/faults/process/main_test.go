package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

// nobody is the user and the group of that number, on every Linux.
const nobody = 65534

func TestMain(m *testing.M) {
	kit.Suite{Commands: []string{"dc_client", "dc_server"}, Tags: []string{"faults"}, Parallel: 12}.Run(m)
}

// program is one of the daemons, and what it needs to run by itself.
type program struct {
	name   string
	path   string
	args   []string
	absent codec.Status // the answer to a HAVE of a session that nobody added
}

func programs() []program {
	return []program{
		{"dc_client", kit.Tool("dc_client"), []string{"-server", "UNIX:/nowhere/dc_server"}, codec.StatusDisconnected},
		{"dc_server", kit.Tool("dc_server"), nil, codec.StatusNotOK},
	}
}

// faulty is the build that breaks on request, and whose watchdogs wait 1.5 s.
func (p program) faulty() program {
	p.path = kit.Tool("faults/" + p.name)
	return p
}

// forEach runs a test for both daemons, at the same time as all others of this kind. The short
// form runs it for one of them: most of what is tested here is code that they share.
func forEach(t *testing.T, test func(t *testing.T, p program)) {
	t.Parallel()
	for _, p := range kit.Chosen(t, programs()) {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

func (p program) command(args ...string) kit.Command {
	return kit.Command{Path: p.path, Args: slices.Concat(p.args, args)}
}

// start runs it until it is ready, and gives where it listens.
func (p program) start(t *testing.T, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	return ready(p.command(append(args, "-listen", at.String())...).Start(t)), at
}

func ready(p *kit.Process) *kit.Process {
	p.WaitStderr(patience, " ready ")
	return p
}

// mustServe holds that a client is served there.
func (p program) mustServe(t *testing.T, at kit.Endpoint) {
	t.Helper()
	c := kit.Dial(t, at)
	c.ExpectStatus(kit.Have(1, "nobody's"), p.absent)
	_ = c.Close()
}

// mustEnd ends it in the orderly way.
func mustEnd(t *testing.T, p *kit.Process) {
	t.Helper()
	if code := p.Stop(); code != 0 {
		t.Errorf("got exit code %d after SIGTERM, want 0; stderr:\n%s", code, p.Stderr())
	}
}

// mustName holds that the text has each of the words.
func mustName(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("got %q, want it to name %q", text, word)
		}
	}
}

// inShell is the command after some lines of shell, in the same process.
func inShell(c kit.Command, lines string) kit.Command {
	c.Args = append([]string{"-ec", lines + "\n" + `exec "$0" "$@"`, c.Path}, c.Args...)
	c.Path = "/bin/sh"
	return c
}

// atFull is how often something is done at full size, and once beside other tests.
func atFull(n int) int {
	if kit.Full() {
		return n
	}
	return 1
}

// needRoot skips what only root can do.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change users, mount, and change the root directory")
	}
}

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
