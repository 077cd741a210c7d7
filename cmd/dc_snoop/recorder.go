package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"
)

const (
	outBuffer = 64 << 10
	// linger is the pause after each write, so that a busy service causes few writes: records
	// that come meanwhile are written together.
	linger = 2 * time.Millisecond
	// complainEvery is the least time between two lines on stderr. The next line says how many
	// were suppressed.
	complainEvery = time.Second
)

// recorder writes all output, in a goroutine of its own.
type recorder struct {
	queue *queue
	stats *stats
	json  bool

	out    *output
	pcap   *output // nil without -pcap
	file   *os.File
	stderr io.Writer
	line   []byte

	complained time.Time
	silenced   int
	dropped    uint64 // items that did not fit into the queue
	done       chan struct{}
}

// output is a writer that stops at its first error.
type output struct {
	name string
	buf  *bufio.Writer
	err  error
}

func newOutput(name string, w io.Writer) *output {
	return &output{name: name, buf: bufio.NewWriterSize(w, outBuffer)}
}

func (o *output) write(b []byte) {
	if o.err == nil {
		_, o.err = o.buf.Write(b)
	}
}

func (o *output) flush() {
	if o.err == nil {
		o.err = o.buf.Flush()
	}
}

// failure returns the error at which the output stopped.
func (o *output) failure() error {
	if o == nil || o.err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", o.name, o.err)
}

// startRecorder writes to stdout, to stderr and, unless it is nil, to file, which stop closes.
// It writes the header of a capture at once.
func startRecorder(c *config, stats *stats, stdout, stderr io.Writer, file *os.File) *recorder {
	r := &recorder{
		queue: newQueue(), stats: stats, json: c.json,
		out: newOutput("standard output", stdout), file: file, stderr: stderr, done: make(chan struct{}),
	}
	if file != nil {
		r.pcap = newOutput("-pcap "+c.pcap, file)
		r.pcap.write(captureHeader())
		r.flush(0)
	}
	go r.run()
	return r
}

// captures reports whether there is a file of -pcap.
func (r *recorder) captures() bool { return r.pcap != nil }

// show prints an event.
func (r *recorder) show(e *event) { r.queue.put(item{event: e}, e.size()) }

// capture writes a packet to the file of -pcap, if there is one.
func (r *recorder) capture(p packet) {
	if r.captures() {
		r.queue.put(item{packet: &p}, p.size())
	}
}

// complain writes a line to stderr, unless there was one just before.
func (r *recorder) complain(text string) { r.queue.put(item{complaint: text}, 2*len(text)) }

// summarize prints the figures. A full queue does not keep it out.
func (r *recorder) summarize() { r.queue.put(item{summary: true}, 0) }

// stop waits until all is written, but no longer than within. It returns the errors of all outputs.
func (r *recorder) stop(within time.Duration) error {
	r.queue.close()
	select {
	case <-r.done:
	case <-time.After(within):
		return fmt.Errorf("the outputs were too slow: the last records were not written within %v", within)
	}
	err := errors.Join(r.out.failure(), r.pcap.failure(), r.closeFile())
	if r.dropped > 0 {
		err = errors.Join(err, fmt.Errorf("the outputs were too slow: %d records dropped", r.dropped))
	}
	return err
}

func (r *recorder) closeFile() error {
	if r.file == nil {
		return nil
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("-pcap: %w", err)
	}
	return nil
}

func (r *recorder) run() {
	defer close(r.done)
	var spare []item
	for {
		items, dropped, more := r.queue.take(spare)
		if !more {
			return
		}
		r.dropped += dropped
		for i := range items {
			r.write(&items[i])
		}
		r.flush(dropped)
		clear(items) // so that nothing is kept alive
		spare = items
		time.Sleep(linger)
	}
}

func (r *recorder) write(i *item) {
	switch {
	case i.event != nil:
		r.line = r.appendEvent(r.line[:0], i.event)
		r.out.write(r.line)
	case i.packet != nil:
		r.line = i.packet.append(r.line[:0])
		r.pcap.write(r.line)
	case i.summary:
		r.out.write(r.appendSummary(nil))
	default:
		r.say(i.complaint)
	}
}

func (r *recorder) appendEvent(dst []byte, e *event) []byte {
	if r.json {
		return appendJSON(dst, e)
	}
	return appendText(dst, e)
}

func (r *recorder) appendSummary(dst []byte) []byte {
	figures := r.stats.figures(time.Now(), r.dropped)
	if r.json {
		return appendLine(dst, figures)
	}
	return figures.appendText(dst)
}

// flush writes to the outputs, and reports new errors and drops on stderr.
func (r *recorder) flush(dropped uint64) {
	for _, o := range []*output{r.out, r.pcap} {
		if o == nil || o.err != nil {
			continue
		}
		if o.flush(); o.err != nil {
			r.say(fmt.Sprintf("%s: %v: writing stopped, the traffic goes on", o.name, o.err))
		}
	}
	if dropped > 0 {
		r.say(fmt.Sprintf("the outputs are slower than the traffic: %d records dropped so far", r.dropped))
	}
}

// say writes a line to stderr, at most one in complainEvery. An error of stderr itself cannot
// be reported anywhere.
func (r *recorder) say(text string) {
	now := time.Now()
	if !r.complained.IsZero() && now.Sub(r.complained) < complainEvery {
		r.silenced++
		return
	}
	if r.silenced > 0 {
		text = fmt.Sprintf("%s (%d earlier lines suppressed)", text, r.silenced)
	}
	r.complained, r.silenced = now, 0
	printLine(r.stderr, text)
}

// printLine writes a line to stderr.
func printLine(stderr io.Writer, text string) {
	_, _ = fmt.Fprintf(stderr, "%s: %s\n", program, visible(text))
}

// maxQueued is how many bytes may wait for the recorder, those that it is writing included.
// Records that come when it is full are dropped and counted.
const maxQueued = 64 << 20

// item is one thing for the recorder: exactly one of the first three, or a summary.
type item struct {
	event     *event
	packet    *packet
	complaint string // a line for stderr
	summary   bool   // print the figures as they are now
}

// queue holds the records that wait for the recorder. It is safe for concurrent use.
type queue struct {
	mu      sync.Mutex
	filled  sync.Cond
	items   []item
	bytes   int    // of items, and of those that were taken last
	taken   int    // bytes of those that were taken last
	dropped uint64 // since the last take
	closed  bool
}

func newQueue() *queue {
	q := new(queue)
	q.filled.L = &q.mu
	return q
}

// put adds an item of that size in bytes, or drops it. It never waits.
func (q *queue) put(i item, size int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	switch {
	case q.closed:
		return
	case q.bytes+size > maxQueued:
		q.dropped++
	default:
		q.items = append(q.items, i)
		q.bytes += size
	}
	q.filled.Signal()
}

// close lets take return the remaining items, and then nothing.
func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Signal()
}

// take waits for items and returns all of them, and how many were dropped meanwhile. Those of the
// last call must be done with: spare is their slice, for reuse. more is false when the queue is
// closed and empty.
func (q *queue) take(spare []item) (items []item, dropped uint64, more bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.bytes -= q.taken
	q.taken = 0
	for len(q.items) == 0 && q.dropped == 0 && !q.closed {
		q.filled.Wait()
	}
	items, dropped = q.items, q.dropped
	q.items, q.taken, q.dropped = spare[:0], q.bytes, 0
	return items, dropped, len(items) > 0 || dropped > 0
}
