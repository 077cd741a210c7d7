package poll

import (
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// timed makes a timer that tells when it goes off.
func timed(t *testing.T, r *running) (*Timer, <-chan time.Time) {
	t.Helper()
	fired := make(chan time.Time, 64)
	var timer *Timer
	var err error
	r.do(func() { timer, err = r.NewTimer(func() { fired <- time.Now() }) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Stop()
		_ = r.wait()
		if err := timer.Close(); err != nil {
			t.Error(err)
		}
	})
	return timer, fired
}

func TestTimerGoesOffInTime(t *testing.T) {
	rows := []struct {
		name string
		set  []time.Duration // one after the other, at once
		want time.Duration
	}{
		{"soon", []time.Duration{20 * time.Millisecond}, 20 * time.Millisecond},
		{"at once", []time.Duration{0}, 0},
		{"in the past", []time.Duration{-time.Hour}, 0},
		{"moved back", []time.Duration{time.Millisecond, 60 * time.Millisecond}, 60 * time.Millisecond},
		{"moved forward", []time.Duration{time.Hour, 20 * time.Millisecond}, 20 * time.Millisecond},
		{"no whole milliseconds", []time.Duration{1_900_000}, 1_900_000},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			r := run(t, nil)
			timer, fired := timed(t, r)
			var start time.Time
			r.do(func() {
				start = time.Now()
				for _, d := range row.set {
					if err := timer.Set(d); err != nil {
						t.Error(err)
					}
				}
			})
			took := receive(t, fired, "timer event").Sub(start)
			if took < row.want {
				t.Errorf("went off after %v, want %v at least", took, row.want)
			} else if took > row.want+kit.Promptly {
				kit.TooSlow(t, "went off after %v, want %v and hardly more", took, row.want)
			}
		})
	}
}

// TestP17TimerGoesOffOnce: the count of expirations is read, so a level-triggered set does
// not report them for ever.
func TestP17TimerGoesOffOnce(t *testing.T) {
	r := run(t, nil)
	timer, fired := timed(t, r)
	r.do(func() { _ = timer.Set(time.Millisecond) })
	receive(t, fired, "timer event")
	kit.MustIdle(t, kit.OwnCPU, 0.02)
	if n := len(fired); n != 0 {
		t.Errorf("got %d events more, want none", n)
	}
	r.do(func() { _ = timer.Set(time.Millisecond) })
	receive(t, fired, "timer event when set again")
}

// TestTimerSetAnewAfterItWentOff sets a timer in the turn in which its event waits: the
// event is void.
func TestTimerSetAnewAfterItWentOff(t *testing.T) {
	r := run(t, nil)
	timer, fired := timed(t, r)
	r.do(func() {
		_ = timer.Set(0)
		for end := time.Now().Add(5 * time.Millisecond); time.Now().Before(end); {
		}
		_ = timer.Set(time.Hour)
	})
	r.do(func() {})
	r.do(func() {})
	if n := len(fired); n != 0 {
		t.Errorf("got %d events, want none for an hour", n)
	}
}
