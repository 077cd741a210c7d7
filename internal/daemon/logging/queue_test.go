package logging

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// gate is a target that blocks until it is opened and can be told to fail.
type gate struct {
	mu      sync.Mutex
	lines   []string
	err     error
	entered chan struct{} // gets a value when a write begins
	open    chan struct{} // closed: writes pass
}

func newGate() *gate {
	return &gate{entered: make(chan struct{}, 1), open: make(chan struct{})}
}

func (g *gate) write(_ slog.Level, text []byte) error {
	select {
	case g.entered <- struct{}{}:
	default:
	}
	<-g.open
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err == nil {
		g.lines = append(g.lines, string(text))
	}
	return g.err
}

func (g *gate) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.err = err
}

func (g *gate) got() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.lines)
}

// stuckLog returns a log whose target has begun to write line "first" and hangs there.
func stuckLog(t *testing.T, g *gate) *Log {
	t.Helper()
	l := start(g, layout{}, nil)
	l.Info("first")
	select {
	case <-g.entered:
	case <-time.After(5 * time.Second):
		t.Fatal("the target got no line within 5 s")
	}
	return l
}

func TestFullQueueDropsAndCounts(t *testing.T) {
	g := newGate()
	l := stuckLog(t, g)
	const extra = 77
	for i := range queueLines + extra {
		l.Info(fmt.Sprint("line ", i)) // must not block, though the target does
	}
	close(g.open)
	if !l.Close(5 * time.Second) {
		t.Fatal("not flushed within 5 s")
	}
	lines := g.got()
	if want := 1 + queueLines + 1; len(lines) != want {
		t.Fatalf("lines: got %d, want %d", len(lines), want)
	}
	const notice = "log lines lost count=77"
	if n := slices.Index(lines, notice); n < 0 {
		t.Errorf("no line %q", notice)
	}
	if want := fmt.Sprint("line ", queueLines-1); !slices.Contains(lines, want) {
		t.Errorf("no line %q, want the oldest lines kept", want)
	}
	if want := fmt.Sprint("line ", queueLines); slices.Contains(lines, want) {
		t.Errorf("got line %q, want the newest lines dropped", want)
	}
}

func TestFailedLinesAreCounted(t *testing.T) {
	g := newGate()
	close(g.open)
	l := start(g, layout{}, nil)
	g.fail(errors.New("disk full"))
	for range 3 {
		l.Info("lost")
	}
	if !l.Flush(5 * time.Second) {
		t.Fatal("not flushed within 5 s")
	}
	g.fail(nil)
	l.Info("back")
	if !l.Close(5 * time.Second) {
		t.Fatal("not flushed within 5 s")
	}
	want := []string{"back", "log lines lost count=3"}
	if got := g.got(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestFlushIsBounded flushes into a target that hangs, with room in the queue and without.
func TestFlushIsBounded(t *testing.T) {
	const limit = 30 * time.Millisecond
	for _, lines := range []int{1, queueLines} {
		t.Run(fmt.Sprint("lines=", lines), func(t *testing.T) {
			g := newGate()
			l := stuckLog(t, g)
			for range lines {
				l.Info("waiting")
			}
			began := time.Now()
			flushed := l.Close(limit)
			took := time.Since(began)
			if flushed {
				t.Error("flushed: got true, want false")
			}
			if took < limit {
				t.Errorf("took %v, want %v and a little", took, limit)
			} else if took > limit+kit.Promptly {
				kit.TooSlow(t, "took %v, want %v and a little", took, limit)
			}
			close(g.open)
		})
	}
}

// TestConcurrentUse logs from many goroutines; each line arrives once or is counted.
func TestConcurrentUse(t *testing.T) {
	g := newGate()
	close(g.open)
	l := start(g, layout{}, nil)
	const workers, each = 8, 500
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for range each {
				l.Info("line")
			}
		})
	}
	wg.Wait()
	if !l.Close(5 * time.Second) {
		t.Fatal("not flushed within 5 s")
	}
	whole, lost := 0, 0
	for _, text := range g.got() {
		var n int
		if _, err := fmt.Sscanf(text, "log lines lost count=%d", &n); err == nil {
			lost += n
		} else {
			whole++
		}
	}
	if whole+lost != workers*each {
		t.Errorf("lines accounted for: got %d + %d lost, want %d", whole, lost, workers*each)
	}
}

// TestFlushWaitsForTheWriter: on an overloaded machine the goroutine that writes may get no CPU time for a while. What a
// process says when it ends is not lost then.
func TestFlushWaitsForTheWriter(t *testing.T) {
	t.Parallel()
	const within = 300 * time.Millisecond
	g := newGate()
	close(g.open)
	q := &queue{lines: make(chan line, queueLines), target: g, quit: make(chan struct{})}
	q.put(line{text: []byte("why it ends")})
	time.AfterFunc(2*within, func() { go q.run() })
	flushed := q.flush(within)
	q.close()
	if got := g.got(); !flushed || !slices.Equal(got, []string{"why it ends"}) {
		t.Errorf("got flushed %v, lines %q, want the line", flushed, got)
	}
}
