package main

import (
	"io"
	"slices"
	"time"
)

const (
	// stderrWrites is how many writes may wait for stderr; further ones are dropped.
	stderrWrites = 256
	// stderrFlush is how long the last of them may take at exit.
	stderrFlush = 250 * time.Millisecond
)

// stderrQueue makes stderr a writer that never waits, also where it is a full pipe that no
// process reads. It is safe for concurrent use.
type stderrQueue struct{ writes chan stderrWrite }

// stderrWrite is text, or a request to close flushed when all before it has been written.
type stderrWrite struct {
	text    []byte
	flushed chan struct{}
}

func newStderrQueue(stderr io.Writer) *stderrQueue {
	q := &stderrQueue{writes: make(chan stderrWrite, stderrWrites)}
	go func() {
		for w := range q.writes { // to the end of the process
			if w.flushed != nil {
				close(w.flushed)
				continue
			}
			_, _ = stderr.Write(w.text) // there is no other place to report a failure
		}
	}()
	return q
}

// Write implements io.Writer. It never fails.
func (q *stderrQueue) Write(b []byte) (int, error) {
	select {
	case q.writes <- stderrWrite{text: slices.Clone(b)}:
	default:
	}
	return len(b), nil
}

// flush waits until all is written, but no longer than stderrFlush.
func (q *stderrQueue) flush() {
	limit := time.NewTimer(stderrFlush)
	defer limit.Stop()
	w := stderrWrite{flushed: make(chan struct{})}
	select {
	case q.writes <- w:
	case <-limit.C:
		return
	}
	select {
	case <-w.flushed:
	case <-limit.C:
	}
}
