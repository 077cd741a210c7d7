package main

import (
	"context"
	"time"

	"distcache/bench/load"
	"distcache/bench/record"
)

const (
	// calmClients keep their connections.
	calmClients = 50
	// calmDepth is how many requests each has unanswered while the store is filled.
	calmDepth = 16
	// calmShare is the part of the highest rate at which latency is measured.
	calmShare = 0.5
)

// measureCalm fills a store until it is full, finds out how fast it answers, and then asks at half that rate: three GETs
// and one ADD of a new session in four, for which another one has to go. What the store still holds nobody can know, so
// answers are checked for form only.
func measureCalm(ctx context.Context, h *harness, s step) error {
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		c := h.baseLoad(s.cell.Round)
		c.Clients, c.KeepAlive, c.Sessions = calmClients, true, s.cell.Sessions/calmClients
		c.TimeVar = sessionLife / 2
		if err := st.fillCalm(ctx, c, sample); err != nil || sample.Error != "" {
			return err
		}
		c.Mix, c.Verify = load.Mix{Add: 1, Get: 3, Fresh: true}, load.VerifyFrames
		var fastest record.Sample
		m := measurement{stage: st, config: c}
		if err := m.run(ctx, &fastest); err != nil || fastest.Error != "" {
			sample.Error = fastest.Error
			return err
		}
		c.Rate = calmShare * fastest.Throughput()
		c.Seed += calmSeed
		sample.Rate = c.Rate
		m = measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}

// calmSeed makes the sessions that the last part adds others than those that the part before added.
const calmSeed = 1000

func (s *stage) fillCalm(ctx context.Context, c load.Config, sample *record.Sample) error {
	c.Preload, c.Pipeline, c.Warmup, c.Duration = true, calmDepth, 0, time.Millisecond
	c.Lossy = true // the last sessions may find the store full
	m := measurement{stage: s, config: c}
	var filled record.Sample
	err := m.run(ctx, &filled)
	sample.Error = filled.Error
	return err
}
