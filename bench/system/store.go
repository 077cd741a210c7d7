package main

import (
	"context"
	"time"

	"distcache/bench/load/plan"
	"distcache/bench/procfs"
	"distcache/bench/protocols"
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

// measureStore fills an empty store over one pipelined connection. Then it asks for sessions that are there, and then
// for sessions that are not.
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
	steps := []func(context.Context, plan.Config) error{
		func(ctx context.Context, c plan.Config) error { return st.warmEmpty(ctx, c, &set) },
		func(ctx context.Context, c plan.Config) error { return st.fillAndHit(ctx, c, &set, &hit) },
		func(ctx context.Context, c plan.Config) error { return st.missAll(ctx, c, &miss) },
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

func (h *harness) storeLoad(cell record.Sample) plan.Config {
	c := h.baseLoad(cell.Round)
	c.Clients, c.KeepAlive, c.Pipeline = 1, true, storeDepth
	c.Sessions = cell.Sessions
	return c
}

// warmEmpty sends requests to the empty store for a moment, then reads its memory.
func (s *stage) warmEmpty(ctx context.Context, c plan.Config, set *record.Sample) error {
	c.Salt, c.Warmup, c.Duration = secondSalt, 0, storeWarmup
	m := measurement{stage: s, config: c}
	if err := m.run(ctx, &record.Sample{}); err != nil {
		return err
	}
	set.Before, _ = procfs.Resident(s.processes[0].PID())
	return nil
}

// fillAndHit is one run: its preloading is the SETs.
func (s *stage) fillAndHit(ctx context.Context, c plan.Config, set, hit *record.Sample) error {
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

func (s *stage) missAll(ctx context.Context, c plan.Config, miss *record.Sample) error {
	c.Salt = secondSalt
	m := measurement{stage: s, config: c}
	return m.run(ctx, miss)
}

// defaultSessions is dc_server's default for -sessions, and the least that a store is started for.
const defaultSessions = 100_000

// stores are the targets that hold sessions, each started for so many.
func stores(b builds, sessions int) []*target {
	return []*target{b.server(sessions), memcached(sessions), redis()}
}

func (b builds) server(sessions int) *target {
	return &target{
		name: nameServer + b.suffix, about: "dc_server, in memory", protocol: plan.Distcache,
		start: func(s *stage) error { return b.startServer(s, "UNIX:"+s.path(front), max(sessions, defaultSessions)) },
	}
}

// fullServer is a dc_server that is full with so many sessions.
func (b builds) fullServer(sessions int) *target {
	t := b.server(sessions)
	t.start = func(s *stage) error { return b.startServer(s, "UNIX:"+s.path(front), sessions) }
	return t
}

func memcached(sessions int) *target {
	return &target{
		name: nameMemcached, about: "Debian's memcached, one thread",
		programs: []string{"memcached"}, protocol: protocols.Memcached,
		start: func(s *stage) error { return startMemcached(s, front, max(sessions, defaultSessions)) },
	}
}

func redis() *target {
	return &target{
		name: nameRedis, about: "Debian's redis-server, nothing written to disk",
		programs: []string{"redis-server"}, protocol: protocols.Redis,
		start: func(s *stage) error {
			return s.startInstalled("redis-server", "--port", "0", "--unixsocket", s.path(front), "--save", "", "--appendonly", "no")
		},
	}
}

const (
	// calmClients keep their connections.
	calmClients = 50
	// calmDepth is how many requests each has unanswered while the store is filled.
	calmDepth = 16
	// calmShare is the part of the highest rate at which latency is measured.
	calmShare = 0.5
)

// measureCalm fills a store until it is full, finds out how fast it answers, and then asks at half that rate: three GETs
// and one ADD of a new session in four, for which another one has to go. What the store still holds is unknown, so
// answers are checked for form only.
func measureCalm(ctx context.Context, h *harness, s step) error {
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		c := h.baseLoad(s.cell.Round)
		c.Clients, c.KeepAlive, c.Sessions = calmClients, true, s.cell.Sessions/calmClients
		c.TimeVar = sessionLife / 2
		if err := st.fillCalm(ctx, c, sample); err != nil || sample.Error != "" {
			return err
		}
		c.Mix, c.Verify = plan.Mix{Add: 1, Get: 3, Fresh: true}, plan.VerifyFrames
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

// calmSeed makes the last part add other sessions than the part before.
const calmSeed = 1000

func (s *stage) fillCalm(ctx context.Context, c plan.Config, sample *record.Sample) error {
	c.Preload, c.Pipeline, c.Warmup, c.Duration = true, calmDepth, 0, time.Millisecond
	c.Lossy = true // the last sessions may find the store full
	m := measurement{stage: s, config: c}
	var filled record.Sample
	err := m.run(ctx, &filled)
	sample.Error = filled.Error
	return err
}
