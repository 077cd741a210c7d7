package logging

import (
	"log/slog"
	"testing"
	"time"
)

func TestLimiterAllow(t *testing.T) {
	type event struct {
		at         time.Duration
		allowed    bool
		suppressed uint64
	}
	rows := []struct {
		name   string
		events []event
	}{
		{"first at time zero", []event{{0, true, 0}}},
		{"first long after start", []event{{time.Hour, true, 0}}},
		{"second within the period", []event{{0, true, 0}, {time.Second - 1, false, 0}}},
		{"second at the end of the period", []event{{0, true, 0}, {time.Second, true, 0}}},
		{"count is told once", []event{
			{0, true, 0}, {1, false, 0}, {2, false, 0}, {time.Second, true, 2}, {2 * time.Second, true, 0},
		}},
		{"period counts from the last line", []event{
			{0, true, 0}, {1500 * time.Millisecond, true, 0}, {2 * time.Second, false, 0}, {2500 * time.Millisecond, true, 1},
		}},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var l Limiter
			for i, e := range row.events {
				n, ok := l.Allow(e.at)
				if ok != e.allowed || n != e.suppressed {
					t.Errorf("event %d at %v: got %d, %v, want %d, %v", i, e.at, n, ok, e.suppressed, e.allowed)
				}
			}
		})
	}
}

// TestLimiterFlood is 10,000 events a second for ten seconds: eleven lines at most, and every event accounted for.
func TestLimiterFlood(t *testing.T) {
	const events, rate = 100_000, 10_000
	var l Limiter
	var lines, told uint64
	for i := range events {
		if n, ok := l.Allow(time.Duration(i) * time.Second / rate); ok {
			lines++
			told += n
		}
	}
	if lines != 10 {
		t.Errorf("lines: got %d, want 10", lines)
	}
	if got := lines + told + l.suppressed; got != events {
		t.Errorf("events accounted for: got %d, want %d", got, events)
	}
}

func TestSuppressed(t *testing.T) {
	if got := Suppressed(0); !got.Equal(slog.Attr{}) {
		t.Errorf("nothing suppressed: got %v, want no attribute", got)
	}
	if got := Suppressed(7).String(); got != "suppressed=7" {
		t.Errorf("got %q, want %q", got, "suppressed=7")
	}
}
