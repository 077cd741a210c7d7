package kit

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// quickly is a slack for processes that do nothing, and a short time to get there.
func quickly() Slack {
	s := DefaultSlack()
	s.Within = 100 * time.Millisecond
	return s
}

func TestPost(t *testing.T) {
	tests := []struct {
		name  string
		role  string
		slack Slack
		want  string // "" when all is well
	}{
		{"all is well", "good", quickly(), ""},
		{"descriptors are left", "leak", quickly(), "descriptors, want"},
		{"descriptors are left, as allowed", "leak", Slack{FDs: 5, Threads: 8, RSS: 16 << 20, Idle: 0.1}, ""},
		{"it spins", "spin", Slack{Threads: 99, RSS: 16 << 20, Idle: 0.05}, "of a CPU used while idle, want 5 % at most"},
		{"memory is left", "grow", quickly(), "KB resident, want"},
		{"it panicked", "panic", quickly(), `got "panic: " on stderr`},
		{"it raced", "race", quickly(), `got "WARNING: DATA RACE" on stderr`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := whatFails(t, func(t testing.TB) {
				p := play(t, tt.role)
				post := p.Post()
				p.Signal(syscall.SIGUSR1)
				p.WaitStderr(Patience, "done")
				post.Check(tt.slack)
			})
			if tt.want == "" && got != "" {
				t.Errorf("got failed with %q, want it to pass", got)
			}
			mustSay(t, got, tt.want)
		})
	}
}

func TestPostCompares(t *testing.T) {
	post := &Post{before: Vitals{FDs: 10, Threads: 5, RSS: 1 << 20}}
	slack := Slack{FDs: 1, Threads: 2, RSS: 1024}
	tests := []struct {
		name string
		now  Vitals
		want string // "" when all is well
	}{
		{"as before", post.before, ""},
		{"better", Vitals{}, ""},
		{"worse, as allowed", Vitals{FDs: 11, Threads: 7, RSS: 1<<20 + 1024}, ""},
		{"descriptors", Vitals{FDs: 12}, "got 12 descriptors, want 10+1 at most"},
		{"threads", Vitals{Threads: 8}, "got 8 threads, want 5+2 at most"},
		{"memory", Vitals{RSS: 1<<20 + 2048}, "got 1026 KB resident, want 1024+1 at most"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if err := post.compare(tt.now, slack); err != nil {
				got = err.Error()
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestPostOfOneThatEnded(t *testing.T) {
	for name, post := range map[string]func(*Process, testing.TB) *Post{
		"ours":       func(p *Process, _ testing.TB) *Post { return p.Post() },
		"somebody's": func(p *Process, t testing.TB) *Post { return NewPost(t, p.PID()) },
	} {
		t.Run(name, func(t *testing.T) {
			began := time.Now()
			got := whatFails(t, func(t testing.TB) {
				p := play(t, "good")
				after := post(p, t)
				p.Stop()
				slack := DefaultSlack()
				slack.Within = time.Hour
				after.Check(slack)
			})
			mustSay(t, got, ErrEnded.Error())
			if took := time.Since(began); took > time.Minute {
				t.Errorf("got that after %v, want it at once", took)
			}
		})
	}
}

func TestPostComesBack(t *testing.T) {
	p := play(t, "good")
	post := p.Post()
	post.before.FDs = 0 // so that it is never as before
	if err := post.look(quickly()); err == nil {
		t.Error("got nothing wrong, want the descriptors")
	}
	began := time.Now()
	slack := quickly()
	got := whatFails(t, func(t testing.TB) { post.t = t; post.Check(slack) })
	mustSay(t, got, "descriptors, want 0+0 at most")
	if took := time.Since(began); took < slack.Within || took > Patience {
		t.Errorf("got that after %v, want the %v that it may take to come back", took, slack.Within)
	}
}

func TestReadVitals(t *testing.T) {
	before, err := ReadVitals(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if before.Threads < 2 || before.RSS < 1<<20 || before.FDs < 3 {
		t.Errorf("got %v, want those of a Go program", before)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	Wait(t, Patience, "CPU time", func() bool {
		after, err := ReadVitals(os.Getpid())
		return err == nil && after.FDs > before.FDs && after.CPU > before.CPU
	})
}

func TestReadVitalsOfNobody(t *testing.T) {
	p := play(t, "exit3")
	p.Exit(Patience)
	if _, err := ReadVitals(p.PID()); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v, want %v", err, ErrEnded)
	}
}

func TestParseStat(t *testing.T) {
	const rest = " S 1 1 1 0 -1 4194304 106 0 0 0 7 5 0 0 20 0 9 0 100 1000000 3 18446744073709551615"
	want := Vitals{Threads: 9, RSS: 3 * 4096, CPU: 120 * time.Millisecond}
	for _, name := range []string{"dc_client", "a b", "a) S 1 (b", ""} {
		got, err := parseStat("42 ("+name+")"+rest, 4096)
		if err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", name, got, err, want)
		}
	}
	for _, text := range []string{"", "42 (x)", "42 (x) S 1 2 3", "42 (x) S 1 1 1 0 -1 4194304 106 0 0 0 y 5 0 0 20 0 9 0 100 1000000 3"} {
		if got, err := parseStat(text, 4096); err == nil {
			t.Errorf("%q: got %v, want an error", text, got)
		}
	}
	if _, err := parseStat("42 (x) Z"+rest[2:], 4096); !errors.Is(err, ErrEnded) {
		t.Errorf("got %v of a zombie, want %v", err, ErrEnded)
	}
}

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
