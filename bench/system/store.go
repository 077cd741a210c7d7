package main

import (
	"context"
	"time"

	"distcache/bench/load"
	"distcache/bench/procfs"
	"distcache/bench/record"
)

const (
	// storeDepth is how many requests are unanswered on the one connection to a store.
	storeDepth = 64
	// storeWarmup is how long an empty store is asked before memory is first read.
	storeWarmup = 50 * time.Millisecond
	// secondSalt makes IDs that are not in the store.
	secondSalt = 2
)

// measureStore fills an empty store over one pipelined connection, then asks for what is there, then for what is not.
func measureStore(ctx context.Context, h *harness, s step) error {
	sample := func(op string) record.Sample {
		cell := s.cell
		cell.Op = op
		return cell
	}
	set, hit, miss := sample(record.Set), sample(record.Hit), sample(record.Miss)
	st, err := h.newStage(s.target)
	if err != nil {
		set.Error = err.Error()
		h.add(&set)
		return nil
	}
	defer st.end()
	steps := []func(context.Context, load.Config) error{
		func(ctx context.Context, c load.Config) error { return st.warmEmpty(ctx, c, &set) },
		func(ctx context.Context, c load.Config) error { return st.fillAndHit(ctx, c, &set, &hit) },
		func(ctx context.Context, c load.Config) error { return st.missAll(ctx, c, &miss) },
	}
	for _, step := range steps {
		if err := step(ctx, h.storeLoad(s.cell)); err != nil {
			return err
		}
	}
	h.add(&set)
	h.add(&hit)
	h.add(&miss)
	return nil
}

func (h *harness) storeLoad(cell record.Sample) load.Config {
	c := h.baseLoad(cell.Round)
	c.Clients, c.KeepAlive, c.Pipeline = 1, true, storeDepth
	c.Sessions = cell.Sessions
	return c
}

// warmEmpty asks the empty store for a moment, and reads its memory.
func (s *stage) warmEmpty(ctx context.Context, c load.Config, set *record.Sample) error {
	c.Salt, c.Warmup, c.Duration = secondSalt, 0, storeWarmup
	m := measurement{stage: s, config: c}
	if err := m.run(ctx, &record.Sample{}); err != nil {
		return err
	}
	set.Before, _ = procfs.Resident(s.processes[0].PID())
	return nil
}

// fillAndHit is one run: its preloading is the SETs.
func (s *stage) fillAndHit(ctx context.Context, c load.Config, set, hit *record.Sample) error {
	c.Preload = true
	m := measurement{stage: s, config: c}
	if err := m.run(ctx, hit); err != nil {
		return err
	}
	set.Error = hit.Error
	m.fillPreload(set, c.Sessions)
	set.After, _ = procfs.Resident(s.processes[0].PID())
	return nil
}

func (s *stage) missAll(ctx context.Context, c load.Config, miss *record.Sample) error {
	c.Salt = secondSalt
	m := measurement{stage: s, config: c}
	return m.run(ctx, miss)
}
