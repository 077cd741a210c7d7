package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"distcache/bench/load/plan"
	"distcache/bench/procfs"
	"distcache/bench/protocols"
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
func (h *harness) baseLoad(round int) plan.Config {
	c := plan.DefaultConfig()
	c.IDMin, c.IDMax, c.DataMin, c.DataMax = idSize, idSize, dataSize, dataSize
	c.Timeout, c.TimeVar = sessionLife, 0
	c.Sessions, c.Mix = idsPerClient, plan.Mix{Get: 1}
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

// saturationShare: a target that reaches less than this part of the rate is saturated.
const saturationShare = 0.97

// saturation counts the rates, one after the other, with which a target could not keep up, in one round.
type saturation map[*target]int

// patience is the number of rates in a row that a target may fail before it is not measured at higher ones. One failure
// may be a disturbance.
const patience = 2

// measureRate drives the target at a given rate with short-lived clients. Latency counts from when an operation was
// due. A target that has failed two rates in a row is skipped.
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

const (
	// steadyPatience ends the measurement of a very slow proxy.
	steadyPatience = 2 * time.Minute
)

// measureSteady drives the target for a given number of operations.
func measureSteady(ctx context.Context, h *harness, s step) error {
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.KeepAlive = s.cell.Clients, s.cell.KeepAlive
	c.Warmup, c.Duration, c.Operations = h.form.steadyWarmup, steadyPatience, h.form.steady
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}

// warmIdle is the number of clients that ask before memory is first read. It makes the target allocate what it
// allocates only once.
const warmIdle = 64

// measureIdle measures how much the target's memory grows when clients connect, ask once and stay.
func measureIdle(ctx context.Context, h *harness, s step) error {
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		c := h.baseLoad(s.cell.Round)
		c.Clients = warmIdle
		warm := measurement{stage: st, config: c}
		if err := warm.run(ctx, &record.Sample{}); err != nil {
			return err
		}
		if err := st.holdIdle(ctx, sample); err != nil {
			sample.Error = err.Error()
		}
		return ctx.Err()
	})
}

// holdIdle opens the sample's number of connections, and closes them in the end.
func (s *stage) holdIdle(ctx context.Context, sample *record.Sample) error {
	pid := s.processes[0].PID()
	// The connections of the warm-up are gone when closed there, which may be a moment later.
	open, err := procfs.Descriptors(pid)
	if err != nil {
		return err
	}
	if sample.Before, err = procfs.Resident(pid); err != nil {
		return err
	}
	conns := make([]net.Conn, 0, sample.Clients)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	began := time.Now()
	for range sample.Clients {
		c, err := s.connect()
		if err != nil {
			return fmt.Errorf("connection %d: %w", len(conns)+1, err)
		}
		conns = append(conns, c)
		if err := s.ask(c); err != nil {
			return fmt.Errorf("connection %d: %w", len(conns), err)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	sample.Operations, sample.Elapsed = uint64(len(conns)), time.Since(began).Seconds()
	now, err := procfs.Descriptors(pid)
	if err == nil && now < open+len(conns)-warmIdle {
		err = fmt.Errorf("the target has %d descriptors open, want %d and %d", now, open, len(conns))
	}
	if err != nil {
		return err
	}
	sample.After, err = procfs.Resident(pid)
	return err
}

// doors are the targets that a terminator can ask for a session. All but the first are asked in memcached's text
// protocol, by the keys of Apache.
func doors(b builds) []*target {
	peer := twemproxy()
	peer.protocol = protocols.Apache
	return []*target{b.pair(), b.door(), peer}
}

// door is pair, asked by -memcached.
func (b builds) door() *target {
	return &target{
		name: nameDoor + b.suffix, about: "dc_client, asked in memcached's text protocol (-memcached); its upstream is dc_server",
		protocol: protocols.Apache,
		start: func(s *stage) error {
			if err := b.startServer(s, "UNIX:"+s.path("server"), defaultSessions); err != nil {
				return err
			}
			args := append([]string{"-listen", "UNIX:" + s.path("scache"), "-memcached", "UNIX:" + s.path(front), "-server", "UNIX:" + s.path("server")},
				b.clientFlags...)
			return s.startGo("dc_client", b.ours, args...)
		},
	}
}

// measureDoor drives the target as fast as it answers, from kept connections. Each client asks for sessions that it
// has stored before, or that are not there.
func measureDoor(ctx context.Context, h *harness, s step) error {
	c := h.baseLoad(s.cell.Round)
	c.Clients, c.KeepAlive = s.cell.Clients, true
	c.Preload = s.cell.Op == record.Hit
	return h.onStage(s, func(st *stage, sample *record.Sample) error {
		m := measurement{stage: st, config: c}
		return m.run(ctx, sample)
	})
}
