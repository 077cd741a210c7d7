package process

import (
	"net"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/internal/test/kit"
)

// TestF15LoopStuckInTheKernelEndsTheProcess: another process that holds the same listening
// socket makes it blocking, and removes the bound of the wait. The only loop then waits in
// accept for ever, and its watchdog notices.
func TestF15LoopStuckInTheKernelEndsTheProcess(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		at := kit.Unix(t)
		shared := sharedSocket(t, at)
		c := p.faulty().command("-listen", "FD:3")
		c.Files = []*os.File{shared}
		process := ready(c.Start(t))
		p.mustServe(t, at)

		fd := int(shared.Fd())
		if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{}); err != nil {
			t.Fatal(err)
		}
		if err := unix.SetNonblock(fd, false); err != nil {
			t.Fatal(err)
		}
		client := kit.Dial(t, at)
		defer func() { _ = client.Close() }()
		if code := process.Exit(patience); code != 1 {
			t.Errorf("got exit code %d, want 1", code)
		}
		mustName(t, process.Stderr(), "ERROR the event loop is stuck: exiting", "engine/socket.Accept(")
	})
}

// TestF15HangInTheKernelEndsTheProcess: the only loop waits in a call that Go's scheduler knows
// nothing of, so its watchdog cannot run. The kernel ends the process, a minute after the time
// of the watchdog.
func TestF15HangInTheKernelEndsTheProcess(t *testing.T) {
	if !kit.Full() {
		t.Skip("takes a minute; service.TestF15AlarmEndsAProcessThatHangsInTheKernel is the short form")
	}
	forEach(t, func(t *testing.T, p program) {
		process, at := p.faulty().start(t)
		began := time.Now()
		breakWith(t, at, "fault:kernel")
		if code := process.Exit(2*time.Minute + patience); code != 128+int(unix.SIGALRM) {
			t.Errorf("got exit code %d, want that of SIGALRM", code)
		}
		if took := time.Since(began); took < time.Minute {
			t.Errorf("got the end after %v, want a minute at least", took)
		}
		again := ready(p.command("-listen", at.String()).Start(t))
		p.mustServe(t, at)
		mustEnd(t, again)
	})
}

// TestO23HungLoopIsNotReportedAlive: the service manager's watchdog is fed by the loops, and
// by nothing else in the process.
func TestO23HungLoopIsNotReportedAlive(t *testing.T) {
	forEach(t, func(t *testing.T, p program) {
		p = p.faulty()
		at, m := kit.Unix(t), kit.NewManager(t)
		c := p.command("-listen", at.String())
		c.Env = m.Env(80 * time.Millisecond)
		process := ready(c.Start(t))
		kit.Wait(t, patience, "signs of life", func() bool { return m.Fed() > 2 })
		breakWith(t, at, "fault:sleep")
		if code := process.Exit(patience); code != 1 {
			t.Errorf("got exit code %d, want 1: the daemon's own watchdog ends it", code)
		}
		// Between the last sign of life and the end there was silence, for longer than the service
		// manager waits.
		if silence := m.Silence(); silence < 10*80*time.Millisecond {
			t.Errorf("got the last sign of life %v before the end, want one before the loop hung", silence)
		}
	})
}

// sharedSocket is a listening socket as a supervisor makes it, and keeps it.
func sharedSocket(t *testing.T, at kit.Endpoint) *os.File {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: at.Address, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	defer func() { _ = l.Close() }()
	file, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = file.Close() })
	return file
}
