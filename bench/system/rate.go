package main

import (
	"context"

	"distcache/bench/record"
)

// saturationShare is the part of the asked rate below which a target counts as saturated.
const saturationShare = 0.97

// saturation counts the rates, one after the other, with which a target could not keep up, in one round.
type saturation map[*target]int

// patience is how many such rates a target is asked for: one may be due to a disturbance.
const patience = 2

// measureRate drives the target at a given rate with short-lived clients, and counts latency from when an operation was
// due. A target that could not keep up with two rates is not asked for more.
func (saturated saturation) measureRate(ctx context.Context, h *harness, s step) error {
	if saturated[s.target] == patience {
		return nil
	}
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.Rate = s.cell.Clients, s.cell.Rate
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		err := m.run(ctx, sample)
		if sample.Throughput() < saturationShare*s.cell.Rate {
			saturated[s.target]++
		} else {
			saturated[s.target] = 0
		}
		return err
	})
}
