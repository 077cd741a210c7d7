package kit

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// actAs names, in the environment, what the test binary does in place of testing when
// it is run as the process under test.
const actAs = "TESTKIT_ACT_AS"

func TestMain(m *testing.M) {
	if role := os.Getenv(actAs); role != "" {
		os.Exit(act(role))
	}
	goleak.VerifyTestMain(m)
}

// act plays a process, well or badly behaved.
func act(role string) int {
	time.Sleep(time.Millisecond) // the runtime opens descriptors for its first timer
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGUSR1)
	fmt.Fprintln(os.Stdout, "to stdout")
	fmt.Fprintln(os.Stderr, "args", os.Args[1:], "ready")
	switch role {
	case "exit3":
		return 3
	case "stubborn":
		select {}
	}
	for s := range signals {
		if s == syscall.SIGTERM {
			break
		}
		misbehave(role)
		fmt.Fprintln(os.Stderr, "done")
	}
	return 0
}

// misbehave is what a role does at SIGUSR1.
func misbehave(role string) {
	switch role {
	case "leak":
		for range 5 {
			if _, err := syscall.Open("/dev/null", syscall.O_RDONLY, 0); err != nil {
				panic(err)
			}
		}
	case "spin":
		const threads = 8 // many, so that it shows on a machine that is busy besides
		runtime.GOMAXPROCS(threads)
		for range threads {
			go func() {
				for end := time.Now().Add(time.Minute); time.Now().Before(end); {
				}
			}()
		}
	case "panic":
		fmt.Fprintln(os.Stderr, "panic: at the disco")
	case "race":
		fmt.Fprintln(os.Stderr, "WARNING: DATA RACE")
	case "grow":
		b := make([]byte, 64<<20)
		for i := range b {
			b[i] = byte(i)
		}
		go func() { time.Sleep(time.Minute); fmt.Fprint(os.Stderr, len(b)) }()
	}
}

// play starts the test binary in that role and waits until it is ready.
func play(t testing.TB, role string, args ...string) *Process {
	t.Helper()
	self, err := filepath.Abs(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	p := Command{Path: self, Args: args, Env: []string{actAs + "=" + role}}.Start(t)
	p.WaitStderr(Patience, "ready")
	return p
}
