//go:build !race

package poll

import (
	"testing"
	"time"
)

// TestCallsAllocateNothing holds for what is called per event.
func TestCallsAllocateNothing(t *testing.T) {
	r := run(t, nil)
	e := pair(t)
	defer e.close()
	var timer *Timer
	var err error
	r.do(func() { timer, err = r.NewTimer(func() {}) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = r.Stop()
		_ = r.wait()
		_ = timer.Close()
	})
	rows := []struct {
		name string
		call func()
	}{
		{"pause and resume", func() { _ = r.Watch(e.polled, None); _ = r.Watch(e.polled, Read) }},
		{"wait for room and no more", func() { _ = r.Watch(e.polled, ReadWrite); _ = r.Watch(e.polled, Read) }},
		{"set a timer", func() { _ = timer.Set(time.Hour) }},
	}
	r.do(func() { r.watch(e.polled, Read, func(Events) {}) })
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r.do(func() {
				if got := testing.AllocsPerRun(1000, row.call); got != 0 {
					t.Errorf("got %v allocations, want 0", got)
				}
			})
		})
	}
}

// BenchmarkEndTurn is what a turn costs that a posted function begins.
func BenchmarkEndTurn(b *testing.B) {
	ended := make(chan struct{}, 1)
	r := run(b, func() { ended <- struct{}{} })
	b.ReportAllocs()
	for b.Loop() {
		if err := r.Post(r.EndTurn); err != nil {
			b.Fatal(err)
		}
		<-ended
	}
}

// BenchmarkWatch is a pause and the end of it: two system calls.
func BenchmarkWatch(b *testing.B) {
	r := run(b, nil)
	e := pair(b)
	defer e.close()
	r.do(func() {
		r.watch(e.polled, Read, func(Events) {})
		b.ReportAllocs()
		for b.Loop() {
			_ = r.Watch(e.polled, None)
			_ = r.Watch(e.polled, Read)
		}
	})
}
