package main

import (
	"context"
	"time"

	"distcache/bench/record"
)

const (
	// steadyWarmup is how long a proxy may still grow before its collections count.
	steadyWarmup = time.Second
	// steadyPatience ends the measurement of a very slow proxy.
	steadyPatience = 2 * time.Minute
)

// measureSteady drives the target for a given number of operations.
func measureSteady(ctx context.Context, h *harness, s step) error {
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.KeepAlive = s.cell.Clients, s.cell.KeepAlive
	c.Warmup, c.Duration, c.Operations = steadyWarmup, steadyPatience, h.form.steady
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}
