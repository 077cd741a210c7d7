package main

import (
	"context"
	"fmt"
	"time"

	"distcache/bench/load"
	"distcache/bench/record"
)

// What clients ask of a proxy: GET of a session that is not there, which every target answers, the floor too. So each
// answer is verified in full.
const (
	idSize   = 32  // bytes of a session ID
	dataSize = 180 // bytes of a session
	// idsPerClient is how many IDs a client asks for in turn.
	idsPerClient = 4
)

// sessionLife is how long sessions live: longer than any run.
const sessionLife = 24 * time.Hour

// loadText says it for reports.
func loadText() string {
	return fmt.Sprintf("proxies: GET of a random %d-byte ID that is not there, every answer verified; "+
		"stores: sessions of %d + %d bytes", idSize, idSize, dataSize)
}

// baseLoad is what all measurements have in common.
func (h *harness) baseLoad(round int) load.Config {
	c := load.DefaultConfig()
	c.IDMin, c.IDMax, c.DataMin, c.DataMax = idSize, idSize, dataSize, dataSize
	c.Timeout, c.TimeVar = sessionLife, 0
	c.Sessions, c.Mix = idsPerClient, load.Mix{Get: 1}
	c.Warmup, c.Duration = h.form.warmup, h.form.duration
	c.Seed, c.Salt = uint64(round), 1
	return c
}

// measureProxy drives the target as fast as it answers.
func measureProxy(ctx context.Context, h *harness, s step) error {
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.KeepAlive = s.cell.Clients, s.cell.KeepAlive
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}

// onStage starts the step's target, measures, ends the target, and adds the sample.
func (h *harness) onStage(s step, measure func(*stage, *record.Sample) error) error {
	sample := s.cell
	st, err := h.newStage(s.target)
	if err != nil {
		sample.Error = err.Error()
		h.add(&sample)
		return nil
	}
	defer st.end()
	if err := measure(st, &sample); err != nil {
		return err
	}
	h.add(&sample)
	return nil
}
