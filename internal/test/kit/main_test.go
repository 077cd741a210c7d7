package kit

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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

// failing is a test that may fail without failing the real one, so that what fails a
// test can be tested.
type failing struct {
	testing.TB
	mu       sync.Mutex
	said     []string
	cleanups []func()
}

// whatFails runs body as a test by itself, with its cleanups, and gives what it was
// failed with.
func whatFails(t *testing.T, body func(testing.TB)) string {
	t.Helper()
	f := &failing{TB: t}
	f.phase(func() { body(f) })
	for i := len(f.cleanups) - 1; i >= 0; i-- {
		f.phase(f.cleanups[i])
	}
	return strings.Join(f.said, "\n")
}

// phase runs part of the test in a goroutine that Fatalf may end.
func (f *failing) phase(part func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		part()
	}()
	<-done
}

func (f *failing) say(text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, text)
}

func (f *failing) Helper()             {}
func (f *failing) Logf(string, ...any) {}
func (f *failing) Cleanup(fn func())   { f.cleanups = append(f.cleanups, fn) }

func (f *failing) Failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.said) > 0
}

func (f *failing) Errorf(format string, args ...any) { f.say(fmt.Sprintf(format, args...)) }

func (f *failing) Fatal(args ...any) {
	f.say(fmt.Sprint(args...))
	runtime.Goexit()
}

func (f *failing) Fatalf(format string, args ...any) {
	f.say(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

// mustSay holds that what a test was failed with says what it has to.
func mustSay(t *testing.T, got, want string) {
	t.Helper()
	if !strings.Contains(got, want) {
		t.Errorf("got failed with %q, want %q in it", got, want)
	}
}
