package kit

import (
	"errors"
	"hash/crc32"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Full reports whether the tests run at the full size that docs/RELIABILITY.md names, as
// `make faults` does with DISTCACHE_FULL=1.
func Full() bool { return os.Getenv("DISTCACHE_FULL") != "" }

// Sized is the size of a test: short, or full where the tests run at full size.
func Sized[T any](short, full T) T {
	if Full() {
		return full
	}
	return short
}

// Chosen are those of some that are alike with which the test runs: one, which the name of the
// test chooses, or all of them where the tests run at full size.
func Chosen[T any](t testing.TB, alike []T) []T {
	if Full() {
		return alike
	}
	one := int(crc32.ChecksumIEEE([]byte(t.Name())) % uint32(len(alike)))
	return alike[one : one+1]
}

// NeedFull skips a test that is of no use, or no fun, beside others: one that compares
// times, takes long or takes the CPU from all. reason completes “it …”.
func NeedFull(t testing.TB, reason string) {
	t.Helper()
	if !Full() {
		t.Skipf("it %s: `make faults` runs it", reason)
	}
}

// TimesJudged reports whether what is too slow fails a test: in `make faults`. It does not
// in `make test`, which passes on a machine whose cores are all busy, nor with
// DISTCACHE_TIMES=log, as `make faults-ci` sets it.
func TimesJudged() bool { return Full() && os.Getenv("DISTCACHE_TIMES") != "log" }

// TooSlow reports that a bound of time, of CPU or of a rate was not kept. It fails the test
// where times are judged, and else logs it.
func TooSlow(t testing.TB, format string, args ...any) {
	t.Helper()
	if TimesJudged() {
		t.Errorf(format, args...)
		return
	}
	t.Logf("not judged: "+format, args...)
}

// Promptly is how late what is due may come on a machine that has nothing else to do.
const Promptly = 50 * time.Millisecond

// Jitter measures how late this machine is: a goroutine that wants to run every
// few milliseconds notes by how much it was kept from it. Times that a test holds allow for it.
type Jitter struct{ worst atomic.Int64 }

// MeasureJitter measures until the test ends, and logs the worst then.
func MeasureJitter(t testing.TB) *Jitter {
	j := &Jitter{}
	tick := Sized(10*time.Millisecond, time.Millisecond)
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for last := time.Now(); ; last = time.Now() {
			select {
			case <-quit:
				return
			case <-time.After(tick):
			}
			j.worst.Store(max(j.worst.Load(), int64(time.Since(last)-tick)))
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

// hanging is when something that is late counts as hanging, on any machine.
const hanging = time.Minute

// MustTake holds how long something took: no less than least, no more than most, in
// which a busy machine is allowed for. Where times are not judged, only what hangs is
// too late.
func (j *Jitter) MustTake(t testing.TB, what string, took, least, most time.Duration) {
	t.Helper()
	switch {
	case took < least || took > most+hanging:
		t.Errorf("%s: got it after %v, want %v to %v", what, took, least, most)
	case took > most+j.Allowance():
		TooSlow(t, "%s: got it after %v, want %v to %v (and %v for what the machine was late)", what, took, least, most, j.Allowance())
	}
}

// MustBeBelow gives a test up that a stall of this machine has made meaningless.
func (j *Jitter) MustBeBelow(t testing.TB, most time.Duration) {
	t.Helper()
	if worst := j.Worst(); worst >= most {
		t.Skipf("this machine was %v late, which is too busy for times of %v", worst, most)
	}
}

// OwnCPU is the user and system time that this process has used.
func OwnCPU(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// MustIdle measures, by used, how much CPU is taken while nothing is to be done: atMost, as
// a part of one. What the machine adds is no fault of the code under test, so the best of a
// few windows counts: what spins is over the bound in all of them.
func MustIdle(t testing.TB, used func(testing.TB) time.Duration, atMost float64) {
	t.Helper()
	const window, windows = 150 * time.Millisecond, 40
	best := 1e9
	for range windows {
		from, start := used(t), time.Now()
		time.Sleep(window)
		best = min(best, float64(used(t)-from)/float64(time.Since(start)))
		if best < atMost {
			return
		}
	}
	t.Errorf("with nothing to do: got %.2f %% of a CPU at best, want under %.2f %%", 100*best, 100*atMost)
}

// OwnDescriptors are the numbers that are open in this process, with what they are. Those
// that the Go runtime keeps from its first use of a file that can be waited for are always
// among them.
func OwnDescriptors(t testing.TB) map[int]string {
	t.Helper()
	useRuntimePoller(t)
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	open := make(map[int]string)
	for _, entry := range entries {
		target, err := os.Readlink("/proc/self/fd/" + entry.Name())
		fd, numErr := strconv.Atoi(entry.Name())
		if err == nil && numErr == nil { // else it is the one that listed the directory
			open[fd] = target
		}
	}
	return open
}

func useRuntimePoller(t testing.TB) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(r.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
}
