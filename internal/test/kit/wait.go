package kit

import (
	"testing"
	"time"
)

// pollInterval is how often a condition is looked at.
const pollInterval = 2 * time.Millisecond

// Wait waits until done reports true and fails the test when it has not within that
// time; what says what was waited for. It must run in the test's own goroutine.
func Wait(t testing.TB, within time.Duration, what string, done func() bool) {
	t.Helper()
	if !Within(within, done) {
		t.Fatalf("got no %s within %v, want it", what, within)
	}
}

// Within waits until done reports true, and reports whether that came in time. done is
// called at least once, and once more at the end of the time.
func Within(limit time.Duration, done func() bool) bool {
	deadline := time.Now().Add(limit)
	for {
		late := !time.Now().Before(deadline)
		if done() {
			return true
		}
		if late {
			return false
		}
		time.Sleep(pollInterval)
	}
}
