package kit

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestProcessLivesAndStops(t *testing.T) {
	p := play(t, "good", "-one", "two")
	p.WaitStderr(Patience, "args [-one two] ready")
	p.Wait(Patience, "stdout", func() bool { return strings.Contains(p.Stdout(), "to stdout\n") })
	if !p.Running() {
		t.Error("got it ended, want it running")
	}
	if _, err := os.Stat(filepath.Join("/proc", strconv.Itoa(p.PID()))); err != nil {
		t.Error(err)
	}
	if code := p.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0", code)
	}
	if p.Running() {
		t.Error("got it running after Stop, want it ended")
	}
}

func TestProcessExit(t *testing.T) {
	tests := []struct {
		name string
		role string
		end  func(p *Process)
		want int
	}{
		{"by itself", "exit3", func(*Process) {}, 3},
		{"by SIGKILL", "stubborn", func(p *Process) { p.Kill() }, 128 + 9},
		{"by SIGINT", "good", func(p *Process) { p.Signal(syscall.SIGINT) }, 128 + 2},
		{"by SIGTERM, caught", "good", func(p *Process) { p.Signal(syscall.SIGTERM) }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := play(t, tt.role)
			tt.end(p)
			if got := p.Exit(Patience); got != tt.want {
				t.Errorf("got exit code %d, want %d", got, tt.want)
			}
		})
	}
}

func TestProcessFails(t *testing.T) {
	tests := []struct {
		name string
		role string
		do   func(p *Process)
		want []string
	}{
		{"no such line", "good", func(p *Process) { p.WaitStderr(10*time.Millisecond, "unsaid") },
			[]string{"got no line with unsaid", "within 10ms", "args [] ready"}},
		{"ended without the line", "exit3", func(p *Process) { p.WaitStderr(time.Hour, "unsaid") },
			[]string{"got exit code 3", "want line with unsaid", "args [] ready"}},
		{"nobody listens", "good", func(p *Process) { p.WaitListening(10*time.Millisecond, Endpoint{"unix", "/nonexistent"}) },
			[]string{"got no listener on UNIX:/nonexistent"}},
		{"does not end", "stubborn", func(p *Process) { p.Signal(syscall.SIGTERM); p.Exit(10 * time.Millisecond) },
			[]string{"still running after 10ms", "args [] ready"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := whatFails(t, func(t testing.TB) { tt.do(play(t, tt.role)) })
			for _, want := range tt.want {
				mustSay(t, got, want)
			}
		})
	}
}

func TestProcessEndsWithItsTest(t *testing.T) {
	var pid int
	t.Run("within", func(t *testing.T) { pid = play(t, "stubborn").PID() })
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("got %v of process %d after its test, want %v", err, pid, syscall.ESRCH)
	}
}

func TestProcessWaitListening(t *testing.T) {
	u := NewUpstream(t, Unix(t))
	play(t, "good").WaitListening(Patience, u.Endpoint())
}

func TestStartFails(t *testing.T) {
	got := whatFails(t, func(t testing.TB) { Start(t, "/nonexistent/binary") })
	mustSay(t, got, "start /nonexistent/binary")
}

func TestBuildAndStart(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "go.mod"), "module hello\n\ngo 1.25\n")
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { print(\"hello\") }\n")
	t.Chdir(dir)
	p := Start(t, Build(t, "hello", "-ldflags=-s"))
	if code := p.Exit(Patience); code != 0 || p.Stderr() != "hello" {
		t.Errorf("got exit code %d, %q, want 0, hello", code, p.Stderr())
	}
	write(t, filepath.Join(dir, "main.go"), "package main\n\nfunc main() { nonsense }\n")
	mustSay(t, whatFails(t, func(t testing.TB) { Build(t, "hello") }), "undefined: nonsense")
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
