package main

import (
	"context"
	"errors"
	"time"

	"distcache/bench/load"
	"distcache/bench/record"
)

// measurement is one call of load.Run on a stage, with the accounts of its processes.
type measurement struct {
	stage  *stage
	config load.Config // complete but for Address, Protocol, Progress and OnMeasure

	first, preloaded, measured, drained accounts
	result                              *load.Result
	late                                bool
}

// run drives the load. It returns an error only when ctx has ended; anything else that goes wrong is in the sample that
// record fills.
func (m *measurement) run(ctx context.Context, sample *record.Sample) error {
	var progress load.Progress
	at := &meter{
		Protocol: m.stage.target.protocol(), progress: &progress,
		first:     func() { m.first = m.read() },
		preloaded: func() { m.preloaded = m.read() },
		drained:   func() { m.drained = m.read() },
	}
	m.config.Address = m.stage.address()
	m.config.Protocol = func() load.Protocol { return at }
	m.config.Progress = &progress
	m.config.OnMeasure = func() { m.measured = m.read() }
	result, err := load.Run(ctx, m.config)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	m.result = result
	if m.drained.at.IsZero() {
		m.drained, m.late = m.read(), true
	}
	if err := errors.Join(err, m.stage.err()); err != nil {
		sample.Error = err.Error()
	}
	m.fill(sample)
	return nil
}

func (m *measurement) read() accounts { return readAccounts(m.stage.processes) }

// fill writes the figures of the measured phase into the sample, as far as there are any.
func (m *measurement) fill(s *record.Sample) {
	if m.result == nil || m.measured.at.IsZero() {
		return
	}
	s.Operations, s.Failed, s.Unstarted = m.result.Count(), m.result.Failed(), m.result.Unstarted
	s.Elapsed, s.LoadCPU, s.Late = m.result.Elapsed.Seconds(), m.result.CPU.Total().Seconds(), m.late
	s.Latency = latencyOf(m.result)
	charge(s, m.stage.processes, m.measured, m.drained)
}

// fillPreload writes the figures of the preloading into the sample instead: so many operations from the first request
// to the end of the last.
func (m *measurement) fillPreload(s *record.Sample, operations int) {
	if m.preloaded.at.IsZero() {
		return
	}
	s.Operations, s.Failed = uint64(operations), 0
	s.Elapsed = m.preloaded.at.Sub(m.first.at).Seconds()
	charge(s, m.stage.processes, m.first, m.preloaded)
}

func latencyOf(r *load.Result) record.Latency {
	h := r.Latency()
	at := func(percentile float64) float64 {
		return (time.Duration(h.ValueAtPercentile(percentile)).Seconds()) * 1e6
	}
	return record.Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1e3}
}
