package kit

import (
	"fmt"
	"os"
	"testing"
)

// shared is a testing.TB for what starts before the first test and ends after the last. It
// has no more of one than a Rig takes: the rest of its methods panic.
type shared struct {
	testing.TB
	cleanups []func()
	failed   bool
}

// end cleans up, the latest first.
func (s *shared) end() {
	for i := len(s.cleanups) - 1; i >= 0; i-- {
		s.cleanups[i]()
	}
	s.cleanups = nil
}

func (s *shared) Helper() {}

func (s *shared) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *shared) Failed() bool { return s.failed }

func (s *shared) Logf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

func (s *shared) Errorf(format string, args ...any) {
	s.failed = true
	s.Logf(format, args...)
}

func (s *shared) Fatal(args ...any) { s.Fatalf("%s", fmt.Sprint(args...)) }

// Fatalf ends the test process: without what they share, the tests mean nothing.
func (s *shared) Fatalf(format string, args ...any) {
	s.Errorf(format, args...)
	s.end()
	os.Exit(1)
}
