package main

import (
	"context"
	"fmt"
	"net"
	"time"

	"distcache/bench/procfs"
	"distcache/bench/record"
)

// warmIdle is how many clients ask before memory is first read, so that what a target allocates once is there.
const warmIdle = 64

// measureIdle reads how much the target's memory grows by connections that asked once and then stay.
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
