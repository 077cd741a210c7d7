package kit

import (
	"sync/atomic"
	"testing"
	"time"
)

// Promptly is how late what is due may come on a machine that has nothing else to do.
const Promptly = 50 * time.Millisecond

// Jitter measures how late this machine is: a goroutine that wants to run every
// millisecond notes by how much it was kept from it. Times that a test holds allow for it.
type Jitter struct{ worst atomic.Int64 }

// MeasureJitter measures until the test ends, and logs the worst then.
func MeasureJitter(t testing.TB) *Jitter {
	j := &Jitter{}
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
		t.Logf("this machine was up to %v late", j.Worst())
	})
	return j
}

// Worst is by how much the machine was late at the most, so far.
func (j *Jitter) Worst() time.Duration { return time.Duration(j.worst.Load()) }

// Allowance is what a busy machine is forgiven. A request passes through three processes
// at most, there and back.
func (j *Jitter) Allowance() time.Duration { return 6 * j.Worst() }

// MustTake holds how long something took: no less than least, no more than most, in
// which a busy machine is allowed for.
func (j *Jitter) MustTake(t testing.TB, what string, took, least, most time.Duration) {
	t.Helper()
	if took < least || took > most+j.Allowance() {
		t.Errorf("%s: got it after %v, want %v to %v (and %v for what the machine was late)", what, took, least, most, j.Allowance())
	}
}

// MustBeBelow gives a test up that a stall of this machine has made meaningless.
func (j *Jitter) MustBeBelow(t testing.TB, most time.Duration) {
	t.Helper()
	if worst := j.Worst(); worst >= most {
		t.Skipf("this machine was %v late, which is too busy for times of %v", worst, most)
	}
}
