package main

import (
	"sync/atomic"
	"testing"
	"time"
)

// promptly is how late what is due may come on a machine that has nothing else to do.
const promptly = 50 * time.Millisecond

// jitter measures how late this machine is: a goroutine that wants to run every
// millisecond notes by how much it was kept from it.
type jitter struct{ worst atomic.Int64 }

func measureJitter(t *testing.T) *jitter {
	j := &jitter{}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-quit:
				return
			case <-time.After(time.Millisecond):
			}
			j.worst.Store(max(j.worst.Load(), int64(time.Since(last))))
		}
	}()
	t.Cleanup(func() {
		close(quit)
		<-done
		t.Logf("this machine was up to %v late", time.Duration(j.worst.Load()))
	})
	return j
}

// allowance is what a busy machine is forgiven. A request passes through three processes
// at most, there and back.
func (j *jitter) allowance() time.Duration { return 6 * time.Duration(j.worst.Load()) }

// mustTake holds how long something took: no less than least, no more than most, in
// which a busy machine is allowed for.
func (j *jitter) mustTake(t *testing.T, what string, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most+j.allowance() {
		t.Errorf("%s: got it after %v, want %v to %v (and %v for what the machine was late)", what, took, least, most, j.allowance())
	}
}

// mustBeBelow gives a test up that a stall of this machine has made meaningless.
func (j *jitter) mustBeBelow(t *testing.T, most time.Duration) {
	t.Helper()
	if worst := time.Duration(j.worst.Load()); worst >= most {
		t.Skipf("this machine was %v late, which is too busy for times of %v", worst, most)
	}
}
