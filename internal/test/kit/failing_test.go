package kit

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
)

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
