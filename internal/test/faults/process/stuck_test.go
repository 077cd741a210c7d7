package process

import (
	"net"
	"os"
	"testing"

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
		mustName(t, process.Stderr(), "ERROR the event loop is stuck: exiting", "engine.(*Listener).accept(")
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
