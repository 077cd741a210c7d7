package service

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// daemonState is the environment of a detached daemon when it was ready.
type daemonState struct {
	Pid, Session int
	Directory    string
	Name         string         // of the process, as ps shows it
	Files        map[int]string // open descriptors
	Marked       bool           // the mark is still in the environment
	ListenPid    string
}

// playDaemon is a small dc_client: args are the plan, a pidfile ("" for none), where to write the state, and the
// descriptors to pass on. A daemon that runs ends with SIGTERM, or by itself if the test has forgotten it.
func playDaemon(args []string) int {
	parent := FindParent()
	if parent == nil {
		var keep []int
		for _, text := range args[3:] {
			fd, _ := strconv.Atoi(text)
			keep = append(keep, fd)
		}
		return Detach(os.Stderr, keep...)
	}
	if args[0] == "slow" { // before signals are caught, so that SIGTERM ends it
		os.WriteFile(args[2], nil, 0o600)
		time.Sleep(2 * patience)
	}
	stopped := make(chan struct{})
	signals := CatchSignals(false)
	code, undo := daemonStart(parent, args[0], args[1], args[2])
	defer undo()
	if code != 0 {
		return code
	}
	signals.Handle(Handlers{Stop: func() { close(stopped) }, Abort: func() { os.Exit(1) }, Reload: func() {}})
	select {
	case <-stopped:
		return 0
	case <-time.After(2 * patience):
		return 9
	}
}

// daemonStart goes through the start up to Ready.
func daemonStart(parent *Parent, plan, pidfile, state string) (code int, undo func()) {
	undo = func() {}
	switch plan {
	case "silent":
		return 7, undo
	case "panic":
		panic("planned")
	case "killed":
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "stubborn": // signals are kept, so SIGTERM does nothing
		os.WriteFile(state, nil, 0o600)
		time.Sleep(2 * patience)
	case "fail":
		parent.Fail(errors.New("UNIX:/x: something\nfailed"))
		return 1, undo
	case "orphan":
		starter := os.Getppid()
		syscall.Kill(starter, syscall.SIGKILL)
		for end := time.Now().Add(patience); os.Getppid() == starter && time.Now().Before(end); {
			time.Sleep(time.Millisecond)
		}
	}
	if pidfile != "" {
		p, err := writePidfile(pidfile)
		if err != nil {
			parent.Fail(err)
			return 1, undo
		}
		undo = func() { p.Remove() }
	}
	var warnings []string
	if plan == "warn" {
		warnings = []string{"first", "second"}
	}
	err := parent.Ready(warnings...)
	if plan == "orphan" {
		os.WriteFile(state, []byte(fmt.Sprint(err)), 0o600)
	}
	if err != nil {
		return 1, undo
	}
	writeState(state)
	return 0, undo
}

// writeState writes a daemonState, whole or not at all.
func writeState(path string) {
	s := daemonState{Pid: os.Getpid(), Files: map[int]string{}, ListenPid: os.Getenv("LISTEN_PID")}
	s.Session, _ = unix.Getsid(0)
	s.Directory, _ = os.Getwd()
	name, _ := os.ReadFile("/proc/self/comm")
	s.Name = strings.TrimSpace(string(name))
	_, s.Marked = os.LookupEnv(starterEnv)
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		s.Files[fd], _ = os.Readlink("/proc/self/fd/" + e.Name())
	}
	text, _ := json.Marshal(s)
	os.WriteFile(path+".new", text, 0o600)
	os.Rename(path+".new", path)
}

// waitState waits for the state that a daemon writes, and ends that daemon with the test.
func waitState(t *testing.T, path string) daemonState {
	t.Helper()
	var s daemonState
	eventually(t, "state of the daemon", func() bool {
		text, err := os.ReadFile(path)
		return err == nil && json.Unmarshal(text, &s) == nil
	})
	t.Cleanup(func() { syscall.Kill(s.Pid, syscall.SIGKILL) })
	return s
}

// lifeline gives a part a descriptor 3; the function that is returned waits until neither the part nor anything that it
// started has it open any more.
func lifeline(t *testing.T) (configure func(*exec.Cmd), gone func()) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	gone = func() {
		t.Helper()
		w.Close()
		r.SetReadDeadline(time.Now().Add(patience))
		if _, err := r.Read(make([]byte, 1)); err != io.EOF {
			t.Fatalf("a daemon was left behind: %v", err)
		}
	}
	return func(cmd *exec.Cmd) { cmd.ExtraFiles = []*os.File{w} }, gone
}

func TestDetach(t *testing.T) {
	directory := t.TempDir()
	state := filepath.Join(directory, "state")
	p := startRole(t, "daemon", func(cmd *exec.Cmd) { cmd.Dir = directory }, "ready", "pid", state)
	if code, stderr := p.end(t); code != 0 || stderr != "" {
		t.Fatalf("parent: got exit %d and %q, want 0 and nothing", code, stderr)
	}
	pidfile, err := os.ReadFile(filepath.Join(directory, "pid"))
	if err != nil {
		t.Fatalf("the relative pidfile must be there when the parent returns: %v", err)
	}
	got := waitState(t, state)
	name := kernelName(filepath.Base(os.Args[0]))
	switch {
	case string(pidfile) != fmt.Sprintln(got.Pid):
		t.Errorf("pidfile: got %q, want %d", pidfile, got.Pid)
	case got.Session != got.Pid:
		t.Errorf("session: got %d, want its own, %d", got.Session, got.Pid)
	case got.Directory != "/":
		t.Errorf("working directory: got %s, want /", got.Directory)
	case got.Name != name:
		t.Errorf("name: got %q, want %q", got.Name, name)
	case got.Marked:
		t.Errorf("%s: got it in the environment, want it removed", starterEnv)
	}
	for fd := range 3 {
		if got.Files[fd] != os.DevNull {
			t.Errorf("descriptor %d: got %s, want %s", fd, got.Files[fd], os.DevNull)
		}
	}
	syscall.Kill(got.Pid, syscall.SIGTERM)
	eventually(t, "removal of the relative pidfile", func() bool { return listDirectory(t, directory) == "state" })
}

// TestDetachFailures holds that the parent tells why there is no daemon, in so many words, and that there is none.
func TestDetachFailures(t *testing.T) {
	program := regexp.QuoteMeta(filepath.Base(os.Args[0]))
	rows := []struct {
		plan, pidfile, stderr string
	}{
		{"fail", "", `^` + program + `: UNIX:/x: something\nfailed\n$`},
		{"ready", "/dev/full", `^` + program + `: -pidfile /dev/full: not a pidfile: .*\n$`},
		{"silent", "", `^` + program + `: the daemon ended without giving a reason: exit status 7\n$`},
		{"panic", "", `^` + program + `: the daemon ended without giving a reason: exit status 2\n$`},
		{"killed", "", `^` + program + `: the daemon ended without giving a reason: signal: killed\n$`},
	}
	for _, row := range rows {
		t.Run(row.plan+row.pidfile, func(t *testing.T) {
			configure, gone := lifeline(t)
			state := filepath.Join(t.TempDir(), "state")
			p := startRole(t, "daemon", configure, row.plan, row.pidfile, state, "3")
			code, stderr := p.end(t)
			if code != 1 || !regexp.MustCompile(row.stderr).MatchString(stderr) {
				t.Errorf("got exit %d and %q, want 1 and a match of %s", code, stderr, row.stderr)
			}
			gone()
		})
	}
}

func TestDetachWarnings(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	p := startRole(t, "daemon", nil, "warn", "", state)
	code, stderr := p.end(t)
	waitState(t, state)
	name := filepath.Base(os.Args[0])
	want := fmt.Sprintf("%s: warning: first\n%s: warning: second\n", name, name)
	if code != 0 || stderr != want {
		t.Errorf("got exit %d and %q, want 0 and %q", code, stderr, want)
	}
}

// TestDetachDescriptors passes three files in, of which one is to be kept.
func TestDetachDescriptors(t *testing.T) {
	directory := t.TempDir()
	state := filepath.Join(directory, "state")
	var files []*os.File
	for _, name := range []string{"three", "four", "five"} {
		f, err := os.Create(filepath.Join(directory, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		files = append(files, f)
	}
	p := startRole(t, "daemon", func(cmd *exec.Cmd) { cmd.ExtraFiles = files }, "ready", "", state, "4")
	if code, stderr := p.end(t); code != 0 {
		t.Fatalf("got exit %d and %q, want 0", code, stderr)
	}
	got := waitState(t, state).Files
	if want := files[1].Name(); got[4] != want {
		t.Errorf("descriptor 4: got %q, want %q", got[4], want)
	}
	for fd, name := range got {
		if fd != 4 && strings.HasPrefix(name, directory) {
			t.Errorf("descriptor %d: got %s, want it left behind", fd, name)
		}
	}
}

// TestDetachListenPid holds that sockets passed by systemd to the parent are the child's.
func TestDetachListenPid(t *testing.T) {
	rows := []struct{ name, shell string }{
		{"ours", `export LISTEN_PID=$$; exec "$@"`},
		{"another process's", `export LISTEN_PID=1; exec "$@"`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "state")
			binary, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.Command("/bin/sh", "-c", row.shell, "sh", binary, "ready", "", state)
			cmd.Env = append(os.Environ(), roleEnv+"=daemon")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			got := waitState(t, state)
			want := "1"
			if row.name == "ours" {
				want = strconv.Itoa(got.Pid)
			}
			if got.ListenPid != want {
				t.Errorf("LISTEN_PID: got %s, want %s", got.ListenPid, want)
			}
		})
	}
}

// TestMarkAlone holds that the mark in the environment of a process without the pipe does not make it a child.
func TestMarkAlone(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	p := startRole(t, "daemon", func(cmd *exec.Cmd) { cmd.Env = append(cmd.Env, starterEnv+"=1") }, "ready", "", state)
	if code, stderr := p.end(t); code != 0 || stderr != "" {
		t.Errorf("got exit %d and %q, want it to detach as usual", code, stderr)
	}
	if got := waitState(t, state); got.Pid == p.pid() {
		t.Errorf("daemon: got the process that was started, want a child of it")
	}
}

// TestDetachOrphan checks that a daemon whose parent has died undoes its start.
func TestDetachOrphan(t *testing.T) {
	configure, gone := lifeline(t)
	directory := t.TempDir()
	state := filepath.Join(directory, "state")
	p := startRole(t, "daemon", configure, "orphan", filepath.Join(directory, "pid"), state, "3")
	if code, _ := p.end(t); code != -1 {
		t.Errorf("parent: got exit %d, want -1", code)
	}
	gone()
	got, err := os.ReadFile(state)
	if want := ErrParentGone.Error(); err != nil || string(got) != want {
		t.Errorf("Ready: got %q, %v, want %q", got, err, want)
	}
	if got := listDirectory(t, directory); got != "state" {
		t.Errorf("left behind: got %s, want state only", got)
	}
}

// startStubborn starts a child of this very process that never gets ready and ignores SIGTERM.
func startStubborn(t *testing.T) *child {
	t.Helper()
	state := filepath.Join(t.TempDir(), "state")
	t.Setenv(roleEnv, "daemon")
	args := os.Args
	os.Args = []string{args[0], "stubborn", "", state}
	defer func() { os.Args = args }()
	c, err := startChild(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.ended
	})
	eventually(t, "start of the child", func() bool { return isThere(state) })
	return c
}

func isThere(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// TestWaitIsBounded waits for a child that does not get ready, and then for it to end, which it does not either.
func TestWaitIsBounded(t *testing.T) {
	const limit = 50 * time.Millisecond
	c := startStubborn(t)
	began := time.Now()
	o := c.await(nil, limit)
	if took := time.Since(began); took < limit || took > patience {
		t.Errorf("await took %v, want %v to %v", took, limit, patience)
	}
	if !errors.Is(o.err, ErrNotReady) {
		t.Errorf("await: got %v, want %v", o.err, ErrNotReady)
	}
	began = time.Now()
	status := c.end(limit)
	if took := time.Since(began); took < limit || took > patience {
		t.Errorf("end took %v, want %v to %v", took, limit, patience)
	}
	if status != "signal: killed" {
		t.Errorf("end: got %s, want signal: killed", status)
	}
}

func TestDetachInterrupted(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(unix.SignalName(sig), func(t *testing.T) {
			configure, gone := lifeline(t)
			state := filepath.Join(t.TempDir(), "state")
			p := startRole(t, "daemon", configure, "slow", "", state, "3")
			eventually(t, "start of the child", func() bool { return isThere(state) })
			p.signal(t, sig)
			code, stderr := p.end(t)
			if want := ": " + ErrInterrupted.Error() + "\n"; code != 1 || !strings.HasSuffix(stderr, want) {
				t.Errorf("got exit %d and %q, want 1 and %q", code, stderr, want)
			}
			gone()
		})
	}
}

// TestSignalDuringStart sends SIGTERM to the parent at many moments: either there is a daemon with its pidfile and the
// exit code is 0, or there is nothing left.
func TestSignalDuringStart(t *testing.T) {
	const rounds = 60
	var running, undone int
	for round := range rounds {
		configure, gone := lifeline(t)
		directory := t.TempDir()
		state, pidfile := filepath.Join(directory, "state"), filepath.Join(directory, "pid")
		p := startRole(t, "daemon", configure, "ready", pidfile, state, "3")
		time.Sleep(time.Duration(round) * 300 * time.Microsecond) // the moment is what is varied
		p.cmd.Process.Signal(syscall.SIGTERM)                     // it may have ended
		code, stderr := p.end(t)
		if code == 0 {
			running++
			s := waitState(t, state)
			if text, err := os.ReadFile(pidfile); err != nil || string(text) != fmt.Sprintln(s.Pid) {
				t.Errorf("round %d: running, pidfile: got %q, %v, want %d", round, text, err, s.Pid)
			}
			syscall.Kill(s.Pid, syscall.SIGTERM)
		} else {
			undone++
		}
		gone()
		if isThere(pidfile) {
			t.Errorf("round %d: exit %d, %q: got a pidfile left, want none", round, code, stderr)
		}
	}
	t.Logf("%d rounds: %d running, %d undone", rounds, running, undone)
	if undone == 0 {
		t.Errorf("undone: got 0 rounds, want some, or the test tests nothing")
	}
}

// TestDetachWithoutProc starts where the program file cannot be found.
func TestDetachWithoutProc(t *testing.T) {
	needRoot(t)
	t.Setenv("PATH", "/nowhere")
	p := startRole(t, "standard", nil, "chroot", t.TempDir())
	code, stderr := p.end(t)
	if code != 1 || !strings.Contains(stderr, "cannot detach: cannot find the program file (is /proc mounted?)") {
		t.Errorf("got exit %d and %q, want 1 and why", code, stderr)
	}
}

// playStandard writes the targets of descriptors 0 to 2 into a file, or detaches below another root.
func playStandard(args []string) int {
	if args[0] == "chroot" {
		if err := syscall.Chroot(args[1]); err != nil {
			return 9
		}
		return Detach(os.Stderr)
	}
	out, err := os.Create(args[0])
	if err != nil {
		return 9
	}
	for fd := range 3 {
		name, _ := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		fmt.Fprintln(out, name)
	}
	fmt.Fprintln(out, out.Fd() > 2)
	return 0
}

// TestClosedStandardDescriptors checks the promise of doc.go about the Go runtime.
func TestClosedStandardDescriptors(t *testing.T) {
	rows := []struct{ name, redirect string }{
		{"stdin", "<&-"},
		{"stdout", ">&-"},
		{"stderr", "2>&-"},
		{"all", "<&- >&- 2>&-"},
	}
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			cmd := exec.Command("/bin/sh", "-c", `exec "$@" `+row.redirect, "sh", binary, out)
			cmd.Env = append(os.Environ(), roleEnv+"=standard")
			if err := cmd.Run(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			// exec.Command gives /dev/null for what is not closed.
			if want := slices.Repeat([]string{os.DevNull}, 3); !slices.Equal(strings.Fields(string(got)), append(want, "true")) {
				t.Errorf("got %q, want %s for each and no file below 3", got, os.DevNull)
			}
		})
	}
}
