package process

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// canary is in all sessions that are on their way when a daemon breaks.
const canary = "canary-5eed"

// breakWith asks a daemon to break, with sessions before and behind the request.
func breakWith(t *testing.T, at kit.Endpoint, fault string) {
	t.Helper()
	c := kit.Dial(t, at)
	_ = c.Answer(kit.Add(1, canary+"-id", canary+"-data", time.Hour))
	c.Send(kit.Have(2, fault+canary), kit.Get(3, canary+"-id"))
}

// mustHideSessions holds that no output holds a session's bytes, neither as they are nor
// in hex.
func mustHideSessions(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(text, canary) || strings.Contains(text, fmt.Sprintf("%x", canary)) {
			t.Errorf("got a session's bytes in the output, want none:\n%s", text)
		}
	}
}

// TestO24PanicInAHandlerEndsTheProcess: the stack is on stderr and in the log, without any
// session's bytes (O26). What is left behind does not prevent the next start.
func TestO24PanicInAHandlerEndsTheProcess(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		p = p.faulty()
		at := kit.Unix(t)
		pidfile := filepath.Join(filepath.Dir(at.Address), "pid")
		args := []string{"-listen", at.String(), "-pidfile", pidfile}
		process := ready(p.command(args...).Start(t))
		bystander := kit.Dial(t, at)
		breakWith(t, at, "fault:panic")
		if code := process.Exit(patience); code != 2 {
			t.Errorf("got exit code %d, want the 2 of a Go panic", code)
		}
		mustName(t, process.Stderr(),
			"ERROR panic: exiting, for the supervisor to restart the daemon reason=\"a fault was asked for\"", // the log
			"ERROR stack at=", "daemon.faulty.Received(",
			"\npanic: a fault was asked for", "\ngoroutine 1 ") // the runtime
		mustHideSessions(t, process.Stderr(), process.Stdout())
		bystander.ExpectClosed()
		again := ready(p.command(args...).Start(t))
		p.mustServe(t, at)
		mustEnd(t, again)
	})
}

// TestO23StuckLoopEndsTheProcess: a loop computes for ever, or waits for ever. It is the only
// loop, or one of several. The stacks in the log show where it is stuck, and hold no session's
// bytes (O26).
func TestO23StuckLoopEndsTheProcess(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		for _, row := range []struct {
			name, fault string
			args        []string
		}{
			{"computes", "fault:spin", nil},
			{"waits", "fault:sleep", nil},
			{"one of two", "fault:sleep", []string{"-loops", "2"}},
		} {
			t.Run(row.name, func(t *testing.T) {
				if p.name == "dc_server" && row.args != nil {
					t.Skip("dc_server has one loop")
				}
				t.Parallel()
				process, at := p.faulty().start(t, row.args...)
				began := time.Now()
				breakWith(t, at, row.fault)
				if code := process.Exit(patience); code != 1 {
					t.Errorf("got exit code %d, want 1", code)
				}
				if took := time.Since(began); took < time.Second {
					t.Errorf("got the end after %v, want no haste: the limit is 1.5 s in this build", took)
				}
				mustName(t, process.Stderr(), "ERROR the event loop is stuck: exiting", "ERROR stack at=", "daemon.faulty.Received(")
				mustHideSessions(t, process.Stderr(), process.Stdout())
			})
		}
	})
}

// TestO24LastWordsKeepNobody: a daemon that panics exits even when its stderr is a full pipe
// without a reader.
func TestO24LastWordsKeepNobody(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = r.Close() }()
		c := p.faulty().command("-listen", at.String())
		cmd := exec.Command(c.Path, c.Args...)
		cmd.Stderr = w
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() { _ = cmd.Wait(); close(ended) }() // how it ended is in ProcessState
		defer func() { _ = cmd.Process.Kill(); <-ended }()
		kit.Wait(t, patience, "listener", func() bool {
			conn, err := kit.Connect(at)
			return err == nil && conn.Close() == nil
		})
		fillPipe(t, w)
		_ = w.Close()
		breakWith(t, at, "fault:panic")
		select {
		case <-ended:
			status := cmd.ProcessState.Sys().(syscall.WaitStatus)
			if !status.Signaled() || status.Signal() != syscall.SIGKILL {
				t.Errorf("got %v, want an end by SIGKILL, as no word of its could be written", cmd.ProcessState)
			}
		case <-time.After(patience):
			t.Errorf("got the process still there %v after its panic, want it ended after 5 s", patience)
		}
	})
}

// fillPipe writes until the pipe takes nothing more. It stays a blocking one: whoever
// shares it is to wait.
func fillPipe(t *testing.T, w *os.File) {
	t.Helper()
	fd := int(w.Fd())
	page := bytes.Repeat([]byte("x"), 4096)
	for {
		ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
		if n, err := unix.Poll(ready, 0); err == nil && n == 0 {
			return
		}
		if _, err := unix.Write(fd, page); err != nil {
			t.Fatal(err)
		}
	}
}

// TestO24DetachedDaemonPanicsIntoSyslog: its stderr is /dev/null.
func TestO24DetachedDaemonPanicsIntoSyslog(t *testing.T) {
	needRoot(t)
	if _, err := os.Stat("/dev/log"); err == nil {
		t.Skip("this machine has a syslog daemon at /dev/log, which comes first")
	}
	forEach(t, func(t *testing.T, p program) {
		directory := kit.SocketDir(t)
		lines := listenSyslog(t, filepath.Join(directory, "log"))
		at := kit.Endpoint{Network: "unix", Address: filepath.Join(directory, "s")}
		c := inShell(p.faulty().command("-daemon", "-listen", at.String()),
			"mount -t tmpfs none /var/run/\nln -s "+directory+"/log /var/run/log")
		c.Sys = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if code := c.Start(t).Exit(patience); code != 0 {
			t.Fatalf("got exit code %d of the parent, want 0", code)
		}
		breakWith(t, at, "fault:panic")
		text := ""
		for _, want := range []string{"panic: exiting", "faulty.Received("} {
			for !strings.Contains(text, want) {
				select {
				case line := <-lines:
					text += line + "\n"
				case <-time.After(patience):
					t.Fatalf("got no line with %q in syslog, want one:\n%s", want, text)
				}
			}
		}
		mustHideSessions(t, text)
	})
}

// listenSyslog listens as a syslog daemon does, until the test ends.
func listenSyslog(t *testing.T, path string) <-chan string {
	t.Helper()
	sock, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = sock.Close() })
	lines := make(chan string, 1000)
	go func() {
		for b := make([]byte, 4096); ; {
			n, err := sock.Read(b)
			if err != nil {
				return
			}
			lines <- string(b[:n])
		}
	}()
	return lines
}

// TestO24NoHookInWhatIsInstalled: only the build for tests has the faults that a session ID can
// request.
func TestO24NoHookInWhatIsInstalled(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		process, at := p.start(t)
		for _, fault := range []string{"fault:panic", "fault:spin", "fault:sleep"} {
			kit.Dial(t, at).ExpectStatus(kit.Have(1, fault), p.absent)
		}
		mustEnd(t, process)
	})
}
