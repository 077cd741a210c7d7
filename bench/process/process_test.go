package process

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// roleVariable makes the test binary a child.
const roleVariable = "PROCESS_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "wait":
		time.Sleep(time.Hour)
	case "collect":
		for range 3 {
			runtime.GC()
		}
		time.Sleep(time.Hour)
	case "fail":
		fmt.Fprintln(os.Stderr, "first line\nno such table")
		os.Exit(3)
	case "parent":
		parent()
	default:
		runtime.LockOSThread() // the main thread never ends: no test is to run on it
		goleak.VerifyTestMain(m)
	}
}

// parent starts a child, prints its process ID, and dies without ending it.
func parent() {
	p, err := NewLauncher().Start(role("wait"))
	fmt.Println(p.PID(), err)
	os.Exit(0)
}

func role(name string, env ...string) Command {
	return Command{Name: name, Path: os.Args[0], Env: append(env, roleVariable+"="+name)}
}

func start(t *testing.T, c Command) (*Launcher, *Process) {
	t.Helper()
	l := NewLauncher()
	t.Cleanup(l.Close)
	p, err := l.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	return l, p
}

// eventually polls for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 20 s: got no %s", what)
		}
	}
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

func TestStop(t *testing.T) {
	l, p := start(t, role("wait"))
	if err := p.Err(); err != nil || gone(p.PID()) {
		t.Fatalf("after the start: got %v, want it to run", err)
	}
	l.Stop(p)
	if !gone(p.PID()) || p.Err() == nil {
		t.Errorf("after Stop: got a process, want none")
	}
}

func TestCloseEndsAll(t *testing.T) {
	l, p := start(t, role("wait"))
	other, err := l.Start(role("wait"))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if !gone(p.PID()) || !gone(other.PID()) {
		t.Errorf("after Close: got a process, want none")
	}
	if _, err := l.Start(role("wait")); !errors.Is(err, ErrClosed) {
		t.Errorf("Start after Close: got %v, want %v", err, ErrClosed)
	}
	l.Close() // a second time does nothing
}

func TestCollections(t *testing.T) {
	_, p := start(t, role("collect", "GODEBUG=gctrace=1"))
	eventually(t, "third collection", func() bool { return p.Collections() >= 3 })
	if got := p.Collections(); got > 20 {
		t.Errorf("got %d collections, want 3 and those of the start", got)
	}
}

func TestReady(t *testing.T) {
	c := role("fail")
	c.Mark = "such table"
	_, p := start(t, c)
	eventually(t, "mark", p.Ready)
	c.Mark = "never written"
	_, p = start(t, c)
	eventually(t, "end", func() bool { return p.Err() != nil })
	if p.Ready() {
		t.Error("got ready without its mark, want not")
	}
	_, p = start(t, role("wait"))
	if !p.Ready() {
		t.Error("got not ready, want what has no mark to be ready from the start")
	}
}

func TestErrTellsWhy(t *testing.T) {
	_, p := start(t, role("fail"))
	eventually(t, "end", func() bool { return p.Err() != nil })
	if got := p.Err().Error(); !strings.Contains(got, "fail ended: exit status 3") || !strings.Contains(got, "no such table") {
		t.Errorf("got %q, want the exit status and the last line", got)
	}
}

func TestStartFails(t *testing.T) {
	l := NewLauncher()
	defer l.Close()
	if _, err := l.Start(Command{Name: "nothing", Path: "/nonexistent/program"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want %v", err, os.ErrNotExist)
	}
}

// A child ends with its parent, whatever ended that.
func TestOrphansEnd(t *testing.T) {
	_, p := start(t, role("parent"))
	eventually(t, "end of the parent", func() bool { return p.Err() != nil })
	var pid int
	if n, _ := fmt.Sscan(strings.Join(p.output.last(), "\n"), &pid); n != 1 || pid == 0 {
		t.Fatalf("got %q, want a process ID", p.output.last())
	}
	eventually(t, "end of the orphan", func() bool { return gone(pid) })
}

// A thread that ends takes no process with it, not even that which asked for its start.
func TestSurvivesThreads(t *testing.T) {
	l := NewLauncher()
	defer l.Close()
	var p *Process
	var err error
	thread, over := make(chan int), make(chan struct{})
	defer close(over)
	var ask func()
	ask = func() {
		runtime.LockOSThread()               // and never unlocked: the thread ends with the goroutine
		if syscall.Gettid() == os.Getpid() { // but the first one of a process does not
			go ask()
			<-over // so that it is not this thread again
			return
		}
		p, err = l.Start(role("wait"))
		thread <- syscall.Gettid()
	}
	go ask()
	task := fmt.Sprintf("/proc/self/task/%d", <-thread)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "end of the thread", func() bool {
		_, err := os.Stat(task)
		return err != nil
	})
	select {
	case <-p.ended:
		t.Errorf("got %v, want it to run", p.Err())
	case <-time.After(200 * time.Millisecond):
	}
}

func TestOutput(t *testing.T) {
	rows := []struct {
		name   string
		writes []string
		gcs    int
		last   string
	}{
		{"a collection in one piece", []string{"gc 1 @0.011s 0%: 0+0 ms\n"}, 1, ""},
		{"cut anywhere", []string{"g", "c 7 @0", ".01s\ngc 8 @1s\nerr", "or\n"}, 2, "error"},
		{"looks like one", []string{"gc is fine\n"}, 0, "gc is fine"},
		{"only the last lines", []string{"1\n2\n3\n", "4\n5\n6\n"}, 0, "3 4 5 6"},
		{"an unfinished line", []string{"one\ntw"}, 0, "one"},
	}
	for _, row := range rows {
		var o output
		for _, w := range row.writes {
			if n, err := o.Write([]byte(w)); n != len(w) || err != nil {
				t.Fatalf("%s: Write: got %d, %v", row.name, n, err)
			}
		}
		if got := strings.Join(o.last(), " "); o.collections() != row.gcs || got != row.last {
			t.Errorf("%s: got %d collections and %q, want %d and %q", row.name, o.collections(), got, row.gcs, row.last)
		}
	}
}

func TestOutputIsBounded(t *testing.T) {
	var o output
	for range 1000 {
		_, _ = o.Write(make([]byte, 1000))
	}
	if len(o.unread) > longestLine {
		t.Errorf("got %d bytes kept of an endless line, want at most %d", len(o.unread), longestLine)
	}
}
