package process

import (
	"bytes"
	"sync"
)

const (
	// lastLines is how much of a process's output is kept, to say why it ended.
	lastLines = 4
	// longestLine cuts what is kept of one line, in bytes.
	longestLine = 400
)

// collectionMark is how a line of GODEBUG=gctrace=1 begins.
var collectionMark = []byte("gc ")

// output takes what a process writes: it counts garbage collections, looks for the mark, and keeps the last lines.
type output struct {
	mark []byte

	mu     sync.Mutex
	seen   bool // a line with the mark
	gcs    int
	lines  []string
	unread []byte // the beginning of a line
}

// Write never fails.
func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.unread = append(o.unread, b...)
	for {
		line, rest, whole := bytes.Cut(o.unread, []byte("\n"))
		if !whole {
			break
		}
		o.take(line)
		o.unread = rest
	}
	o.unread = o.unread[:min(len(o.unread), longestLine)]
	return len(b), nil
}

func (o *output) take(line []byte) {
	if bytes.HasPrefix(line, collectionMark) && bytes.Contains(line, []byte(" @")) {
		o.gcs++
		return
	}
	o.seen = o.seen || bytes.Contains(line, o.mark)
	if len(o.lines) == lastLines {
		o.lines = o.lines[1:]
	}
	o.lines = append(o.lines, string(line[:min(len(line), longestLine)]))
}

func (o *output) collections() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.gcs
}

func (o *output) marked() bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.seen || len(o.mark) == 0
}

func (o *output) last() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]string(nil), o.lines...)
}
