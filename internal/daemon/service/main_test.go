package service

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleEnv makes the test binary play a part as a process of its own; its arguments are those of the part.
const roleEnv = "SERVICE_TEST_ROLE"

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

func TestMain(m *testing.M) {
	name := os.Getenv(roleEnv)
	if name == "" {
		// Under the race detector each part would sleep for a second before it ends.
		os.Setenv("GORACE", strings.TrimSpace(os.Getenv("GORACE")+" atexit_sleep_ms=0"))
		goleak.VerifyTestMain(m)
		return
	}
	roles := map[string]func(args []string) int{
		"alarmed":  playAlarmed,
		"daemon":   playDaemon,
		"doomed":   playDoomed,
		"drop":     playDrop,
		"idle":     playIdle,
		"limit":    playLimit,
		"lookup":   playLookup,
		"partial":  playPartial,
		"pidfile":  playPidfile,
		"signals":  playSignals,
		"standard": playStandard,
		"traced":   playTraced,
		"abort":    playAbort,
	}
	os.Exit(roles[name](os.Args[1:]))
}

// playIdle says so and does nothing until its stdin ends.
func playIdle([]string) int {
	fmt.Println("idle")
	io.Copy(io.Discard, os.Stdin)
	return 0
}

// process is a part that is being played.
type process struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout io.ReadCloser
	lines  chan string
	stderr bytes.Buffer // to be read after end
}

// startRole starts a part. configure may be nil.
func startRole(t *testing.T, role string, configure func(*exec.Cmd), args ...string) *process {
	t.Helper()
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: exec.Command(binary, args...), lines: make(chan string, 100)}
	p.cmd.Env = append(os.Environ(), roleEnv+"="+role)
	p.cmd.Stderr = &p.stderr
	if configure != nil {
		configure(p.cmd)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if p.stdout, err = p.cmd.StdoutPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(p.stdout); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	return p
}

// pid is the process ID.
func (p *process) pid() int { return p.cmd.Process.Pid }

// say writes a line to the part.
func (p *process) say(t *testing.T, text string) {
	t.Helper()
	if _, err := fmt.Fprintln(p.stdin, text); err != nil {
		t.Fatal(err)
	}
}

// line returns the next line that the part wrote, "" when it has ended.
func (p *process) line(t *testing.T) string {
	t.Helper()
	select {
	case text := <-p.lines:
		return text
	case <-time.After(patience):
		t.Fatalf("no line within %v", patience)
		return ""
	}
}

// expect fails the test unless the next line is want.
func (p *process) expect(t *testing.T, want string) {
	t.Helper()
	if got := p.line(t); got != want {
		t.Fatalf("line: got %q, want %q", got, want)
	}
}

// end ends the part's stdin and returns its exit code and what it wrote to stderr; -1 stands for death by a signal.
func (p *process) end(t *testing.T) (code int, stderr string) {
	t.Helper()
	p.stdin.Close()
	for p.line(t) != "" {
	}
	p.cmd.Wait()
	return p.cmd.ProcessState.ExitCode(), p.stderr.String()
}

// kill ends the part at once.
func (p *process) kill(t *testing.T) {
	t.Helper()
	p.cmd.Process.Kill()
	p.end(t)
}

// signal sends a signal to the part.
func (p *process) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok, which is what the test is about.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// needRoot skips a test that only root can run.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can change users, mount, or pass capabilities on")
	}
}

// asNobody makes a part run as an ordinary user, who cannot reach the test binary by its path.
func asNobody(cmd *exec.Cmd) {
	cmd.Path = "/proc/self/exe"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
}

// listDirectory returns the names in a directory, to be compared before and after.
func listDirectory(t *testing.T, directory string) string {
	t.Helper()
	entries, err := os.ReadDir(directory)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}
