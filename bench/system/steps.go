package main

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"distcache/bench/record"
)

// step is one round of one target in one cell.
type step struct {
	target  *target
	cell    record.Sample // which cell and round; nothing is measured yet
	measure measure
}

// measure makes a step and adds its samples to the record. What goes wrong with a target is in its sample; an error ends
// the run.
type measure func(ctx context.Context, h *harness, s step) error

// String names the step in a line of progress.
func (s step) String() string {
	c := &s.cell
	what := ""
	switch c.Experiment {
	case record.Proxy, record.Steady:
		what = fmt.Sprintf("%s, %d clients", style(c.KeepAlive), c.Clients)
	case record.Rate:
		what = fmt.Sprintf("%.0f/s", c.Rate)
	case record.Idle:
		what = fmt.Sprintf("%d connections", c.Clients)
	case record.Store, record.Calm:
		what = fmt.Sprintf("%d sessions", c.Sessions)
	}
	return fmt.Sprintf("round %d  %s  %s  %s", c.Round, c.Experiment, what, s.target.name)
}

func style(keepAlive bool) string {
	if keepAlive {
		return "keep-alive"
	}
	return "short-lived"
}

// runSteps makes all measurements, and completes the record.
func (h *harness) runSteps(ctx context.Context) error {
	steps, skips := h.plan()
	for _, s := range skips {
		h.skip(s)
	}
	for i := range steps {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		// What the step before left is not collected while this one measures.
		runtime.GC()
		before := len(h.record.Samples)
		if err := steps[i].measure(ctx, h, steps[i]); err != nil {
			return fmt.Errorf("%v: %w", steps[i], err)
		}
		for _, s := range h.record.Samples[before:] {
			h.say("%3d %%  %v  %s", 100*(i+1)/len(steps), steps[i], figures(&s))
		}
	}
	h.record.Took = time.Since(h.started).Seconds()
	return nil
}

// figures are the main ones of a sample, for a line of progress.
func figures(s *record.Sample) string {
	switch {
	case s.Experiment == record.Idle && s.Error == "":
		return fmt.Sprintf("%d bytes each", (s.After-s.Before)/int64(s.Clients))
	case !s.Usable():
		return "no figures: " + s.Error
	}
	return fmt.Sprintf("%s %.2f us/op  %.0f op/s  p50 %.0f us  p99 %.0f us",
		s.Op, s.CPU(), s.Throughput(), s.Latency.P50, s.Latency.P99)
}
