package kit

import (
	"testing"
	"time"
)

func TestWithin(t *testing.T) {
	calls := 0
	if !Within(time.Minute, func() bool { calls++; return calls == 3 }) || calls != 3 {
		t.Errorf("got %d calls, want true at the third", calls)
	}
	calls = 0
	if Within(0, func() bool { calls++; return false }) || calls != 1 {
		t.Errorf("got %d calls and true, want 1 and false", calls)
	}
}

func TestWithinTakesItsTime(t *testing.T) {
	began := time.Now()
	if Within(50*time.Millisecond, func() bool { return false }) {
		t.Error("got true, want false")
	}
	if took := time.Since(began); took < 50*time.Millisecond || took > 5*time.Second {
		t.Errorf("got false after %v, want 50ms and not much more", took)
	}
}

func TestWaitSaysWhatDidNotCome(t *testing.T) {
	got := whatFails(t, func(t testing.TB) {
		Wait(t, time.Millisecond, "second coming", func() bool { return false })
	})
	mustSay(t, got, "got no second coming within 1ms")
	if got := whatFails(t, func(t testing.TB) { Wait(t, time.Minute, "x", func() bool { return true }) }); got != "" {
		t.Errorf("got failed with %q, want it to pass", got)
	}
}
