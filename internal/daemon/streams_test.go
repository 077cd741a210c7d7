package daemon

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// TestStandardDescriptorsClosed starts a daemon without stdin, stdout and stderr: no
// socket of its own must take their numbers.
func TestStandardDescriptorsClosed(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		needRoot(t)
		at := kit.Unix(t)
		process := closingStandard(p.command("-listen", at.String())).Start(t)
		process.WaitListening(patience, at)
		for fd := range 3 {
			if got, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", process.PID(), fd)); err != nil || got != "/dev/null" {
				t.Errorf("got descriptor %d as %q, %v, want /dev/null", fd, got, err)
			}
		}
		p.mustServe(t, at)
		mustEnd(t, process)
	})
}

// TestStderrNobodyReads provokes log lines, more than a pipe holds, and reads none: that
// must not slow the daemon down.
func TestStderrNobodyReads(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		reads bool // somebody has the other end open
	}{{"full pipe", true}, {"broken pipe", false}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			at := kit.Unix(t)
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			// -progress 1 makes a line of each operation.
			cmd := exec.Command(kit.Tool("dc_server"), "-listen", at.String(), "-progress", "1")
			cmd.Stderr = w
			startCommand(t, cmd)
			_ = w.Close()
			kit.Wait(t, patience, "listener", func() bool { return answers(at) })
			if !row.reads {
				_ = r.Close()
			}
			askTogether(kit.Dial(t, at), 2000)
			mustEndCommand(t, cmd)
		})
	}
}

// TestF03FailedStartWithUnreadStderr fails after the socket is open, while stderr is a pipe that is full and that no process
// reads: the start ends nevertheless, and leaves nothing behind.
func TestF03FailedStartWithUnreadStderr(t *testing.T) {
	for _, detach := range []bool{false, true} {
		t.Run(fmt.Sprintf("-daemon=%v", detach), func(t *testing.T) {
			forEach(t, func(t *testing.T, p program) {
				at := kit.Unix(t)
				pidfile := filepath.Dir(at.Address) + "/pid"
				if err := os.WriteFile(pidfile, fmt.Appendln(nil, os.Getpid(), "is not alone"), 0o600); err != nil {
					t.Fatal(err)
				}
				c := p.command("-listen", at.String(), "-pidfile", pidfile, fmt.Sprintf("-daemon=%v", detach))
				cmd := exec.Command(c.Path, c.Args...)
				cmd.Stderr = fullPipe(t)
				began := time.Now()
				startCommand(t, cmd)
				timeout := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
				defer timeout.Stop()
				_ = cmd.Wait()
				if code := cmd.ProcessState.ExitCode(); code != 1 {
					t.Errorf("got exit code %d, want 1 (-1: it had to be killed)", code)
				}
				if took := time.Since(began); took > time.Second {
					kit.TooSlow(t, "the start took %v to fail, want 1 s at most", took)
				}
				mustBeGone(t, at.Address)
			})
		})
	}
}

// fullPipe is the end to write to of a pipe that takes no more bytes.
func fullPipe(t *testing.T) *os.File {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = r.Close(), w.Close() })
	fd := int(w.Fd()) // which makes it blocking, also for the child
	filled := 0
	for err == nil {
		var n int
		if err = syscall.SetNonblock(fd, true); err == nil {
			n, err = syscall.Write(fd, make([]byte, 512))
		}
		filled += max(n, 0)
	}
	if err := syscall.SetNonblock(fd, false); err != nil || filled == 0 {
		t.Fatal(err, filled)
	}
	return w
}

// askTogether asks for a session that is not there, many times in one write, and takes the answers.
func askTogether(client *kit.Client, times int) {
	const together = 100
	for range times / together {
		client.Send(slices.Repeat(kit.Have(1, "nobody's"), together))
		client.Expect(slices.Repeat(kit.Status(1, codec.OpHave, codec.StatusNotOK), together))
	}
}

func startCommand(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

// mustEndCommand ends it in the orderly way, within what a test waits.
func mustEndCommand(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	timeout := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	defer timeout.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("got %v after SIGTERM, want exit code 0", err)
	}
}

// answers reports whether somebody listens there and answers.
func answers(at kit.Endpoint) bool {
	conn, err := kit.Connect(at)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Do(kit.Have(1, "nobody's"))
	return err == nil
}

// TestStderrFull logs to a disk that is full.
func TestStderrFull(t *testing.T) {
	t.Parallel()
	at := kit.Unix(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer func() { _ = full.Close() }()
	cmd := exec.Command(kit.Tool("dc_server"), "-listen", at.String(), "-progress", "1")
	cmd.Stderr = full
	startCommand(t, cmd)
	kit.Wait(t, patience, "listener", func() bool { return answers(at) })
	askTogether(kit.Dial(t, at), 500)
	mustEndCommand(t, cmd)
}
