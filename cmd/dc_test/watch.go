package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"distcache/bench/load/plan"
)

const (
	lookEvery  = 100 * time.Millisecond
	linesEvery = 5 * time.Second
)

// watch reports progress on standard error while the test runs, in a goroutine of its own: the load is generated
// elsewhere and knows nothing of it.
type watch struct {
	end  chan struct{}
	over sync.WaitGroup
}

// display shows one look at the progress.
type display interface {
	show(look)
	close()
}

// look is the progress at one moment of the measurement.
type look struct {
	done, failed uint64
	elapsed      time.Duration
	rate         float64 // operations per second since the look before
}

func startWatch(c *config, stderr io.Writer) *watch {
	w := &watch{end: make(chan struct{})}
	c.load.Progress = new(plan.Progress)
	d := newDisplay(c, stderr)
	w.over.Go(func() {
		defer d.close()
		w.run(c.load.Progress, d)
	})
	return w
}

// stop returns when nothing more will be written.
func (w *watch) stop() {
	close(w.end)
	w.over.Wait()
}

func (w *watch) run(p *plan.Progress, d display) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var began, last time.Time
	var before uint64
	for {
		select {
		case <-w.end:
			return
		case now := <-tick.C:
			if p.Phase() < plan.Measuring {
				continue
			}
			if began.IsZero() {
				began, last = now, now
				continue
			}
			done := p.Done()
			d.show(look{
				done: done, failed: p.Failed(), elapsed: now.Sub(began),
				rate: float64(done-min(before, done)) / now.Sub(last).Seconds(),
			})
			before, last = done, now
		}
	}
}

// newDisplay returns a bar for a terminal, lines for anything else.
func newDisplay(c *config, stderr io.Writer) display {
	if f, ok := stderr.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return newBar(c, stderr)
	}
	return &lines{config: c, stderr: stderr}
}

// lines writes a line after every so many operations, or every few seconds.
type lines struct {
	config *config
	stderr io.Writer
	nextAt uint64        // operations
	next   time.Duration // elapsed
}

func (l *lines) show(k look) {
	if every := uint64(l.config.progress); every > 0 {
		if k.done < l.nextAt+every {
			return
		}
		l.nextAt = k.done - k.done%every
	} else {
		if l.next == 0 {
			l.next = linesEvery
		}
		if k.elapsed < l.next {
			return
		}
		l.next += linesEvery
	}
	_, _ = fmt.Fprintf(l.stderr, "%s: %d operations, %.0f/s, %d failed%s\n", program, k.done, k.rate, k.failed, l.config.remaining(k))
}

func (l *lines) close() {}

// remaining estimates how long the test goes on.
func (c *config) remaining(k look) string {
	left := time.Duration(-1)
	if c.load.Duration > 0 {
		left = max(0, c.load.Duration-k.elapsed)
	}
	if c.load.Operations > k.done && k.done > 0 {
		byCount := time.Duration(float64(k.elapsed) / float64(k.done) * float64(c.load.Operations-k.done))
		if left < 0 || byCount < left {
			left = byCount
		}
	}
	if left < 0 {
		return ""
	}
	return fmt.Sprintf(", %v left", left.Round(time.Second))
}

// bar is a progress bar, of operations when their number is known, else of time.
type bar struct {
	config *config
	bar    *progressbar.ProgressBar
}

func newBar(c *config, stderr io.Writer) *bar {
	total := int64(c.load.Operations)
	if total <= 0 {
		total = c.load.Duration.Milliseconds()
	}
	return &bar{config: c, bar: progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionFullWidth(),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionClearOnFinish(),
	)}
}

func (b *bar) show(k look) {
	b.bar.Describe(fmt.Sprintf("%d operations, %.0f/s, %d failed", k.done, k.rate, k.failed))
	at := int64(k.done)
	if b.config.load.Operations == 0 {
		at = k.elapsed.Milliseconds()
	}
	_ = b.bar.Set64(min(at, b.bar.GetMax64()))
}

func (b *bar) close() { _ = b.bar.Clear() }
