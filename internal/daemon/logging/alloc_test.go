//go:build !race

package logging

import (
	"log/slog"
	"testing"
	"time"
)

// flood is the work for a suppressed event; the benchmark times the same.
func flood(log *slog.Logger, l *Limiter, now time.Duration) {
	if n, ok := l.Allow(now); ok {
		log.Warn("corrupt frame", "field", "version", Suppressed(n))
	}
}

func TestSwallowedEventAllocatesNothing(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	var l Limiter
	flood(log, &l, 0)
	if got := testing.AllocsPerRun(1000, func() { flood(log, &l, 1) }); got != 0 {
		t.Errorf("allocations: got %v, want 0", got)
	}
	if l.suppressed != 1001 { // AllocsPerRun makes one run more, to warm up
		t.Errorf("swallowed events: got %d, want 1001", l.suppressed)
	}
}

func BenchmarkSwallowedEvent(b *testing.B) {
	log := slog.New(slog.DiscardHandler)
	var l Limiter
	flood(log, &l, 0)
	b.ReportAllocs()
	for b.Loop() {
		flood(log, &l, 1)
	}
}
