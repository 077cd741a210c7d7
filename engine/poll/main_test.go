package poll

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// roleEnv makes the test binary play a part as a process of its own.
const roleEnv = "POLL_TEST_ROLE"

func TestMain(m *testing.M) {
	switch role := os.Getenv(roleEnv); role {
	case "":
		goleak.VerifyTestMain(m)
	case "echo":
		os.Exit(playEcho())
	default:
		fmt.Fprintf(os.Stderr, "%s=%s: no such role\n", roleEnv, role)
		os.Exit(2)
	}
}

// playEcho sends back what comes in on descriptor 3 until that ends; a timer that goes
// off every millisecond keeps the loop in and out of epoll_wait.
func playEcho() int {
	const fd = 3
	p, err := Open(Hooks{AfterEvent: func() {}, TurnEnd: func() {}})
	if err != nil {
		return 3
	}
	var tick *Timer
	tick, err = p.NewTimer(func() { _ = tick.Set(echoTick) })
	if err != nil || tick.Set(0) != nil || unix.SetNonblock(fd, true) != nil {
		return 4
	}
	buf := make([]byte, 64)
	err = p.Attach(fd, handlerFunc(func(Events) {
		n, err := unix.Read(fd, buf)
		switch {
		case n > 0:
			_, _ = unix.Write(fd, buf[:n])
		case err != unix.EAGAIN:
			_ = p.Stop()
		}
	}))
	if err != nil {
		return 5
	}
	if err := p.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 6
	}
	return 0
}
