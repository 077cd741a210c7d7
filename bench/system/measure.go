package main

import (
	"context"
	"errors"
	"os"
	"time"

	"distcache/bench/load"
	"distcache/bench/load/plan"
	"distcache/bench/process"
	"distcache/bench/procfs"
	"distcache/bench/record"
)

// measurement is one call of load.Run on a stage, with the accounts of its processes.
type measurement struct {
	stage  *stage
	config plan.Config // complete but for Address, Protocol, Progress and OnMeasure

	first, preloaded, measured, drained accounts
	result                              *plan.Result
	late                                bool
}

// run drives the load. It returns an error only when ctx has ended; anything else that goes wrong is in the sample that
// record fills.
func (m *measurement) run(ctx context.Context, sample *record.Sample) error {
	var progress plan.Progress
	at := &meter{
		Protocol: m.stage.target.protocol(), progress: &progress,
		first:     func() { m.first = m.read() },
		preloaded: func() { m.preloaded = m.read() },
		drained:   func() { m.drained = m.read() },
	}
	m.config.Address = m.stage.address()
	m.config.Protocol = func() plan.Protocol { return at }
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

func latencyOf(r *plan.Result) record.Latency {
	h := r.Latency()
	at := func(percentile float64) float64 {
		return (time.Duration(h.ValueAtPercentile(percentile)).Seconds()) * 1e6
	}
	return record.Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / 1e3}
}

// meter is a Protocol that calls the functions below at certain points of a run, on the thread of the load, so that the
// accounts are read there. If they were read after the run, they would include the cost of closing ten thousand
// connections.
type meter struct {
	plan.Protocol
	progress   *plan.Progress
	phase      plan.Phase // of the last request
	begun      bool
	unanswered int

	first     func() // the first request is about to be made
	preloaded func() // all sessions are stored, what follows is about to begin
	drained   func() // the last answer has come. It may be called more than once: the last call is the one
}

// AppendRequest passes the request on.
func (m *meter) AppendRequest(dst []byte, r *plan.Request) []byte {
	if phase := m.progress.Phase(); !m.begun || phase != m.phase {
		m.enter(phase)
	}
	m.unanswered++
	return m.Protocol.AppendRequest(dst, r)
}

func (m *meter) enter(phase plan.Phase) {
	switch {
	case !m.begun:
		m.begun = true
		m.first()
	case m.phase == plan.Preloading:
		m.preloaded()
	}
	m.phase = phase
}

// ParseAnswer passes the answer on. Where connections failed, what was asked on them is never answered: then drained is
// not called.
func (m *meter) ParseAnswer(b []byte, asked plan.Asked) (plan.Answer, int, error) {
	a, n, err := m.Protocol.ParseAnswer(b, asked)
	if err != nil {
		return a, n, err
	}
	m.unanswered--
	if m.unanswered == 0 && m.progress.Phase() == plan.Draining {
		m.drained()
	}
	return a, n, nil
}

// accounts is what the kernel had charged to each process at one moment.
type accounts struct {
	at        time.Time
	processes []account
	harness   time.Duration // this process, the load generator included
	machine   procfs.Busy
}

// account is that of one process.
type account struct {
	cpu    time.Duration
	split  procfs.Split
	memory procfs.Memory
	gcs    int
}

// readAccounts reads the clocks first, because they run on. A process that has ended has an account of zeros; that it
// ended is found elsewhere.
func readAccounts(processes []*process.Process) accounts {
	a := accounts{at: time.Now(), processes: make([]account, len(processes))}
	for i, p := range processes {
		a.processes[i].cpu, _ = procfs.CPUTime(p.PID())
	}
	a.harness, _ = procfs.CPUTime(os.Getpid())
	a.machine, _ = procfs.MachineBusy()
	for i, p := range processes {
		one := &a.processes[i]
		one.split, _ = procfs.SplitTime(p.PID())
		one.memory, _ = procfs.MemoryOf(p.PID())
		one.gcs = p.Collections()
	}
	return a
}

// charge writes into the sample what each process used between the two moments.
func charge(s *record.Sample, processes []*process.Process, from, to accounts) {
	others := to.machine.Work - from.machine.Work - (to.harness - from.harness)
	s.Processes = nil
	for i, p := range processes {
		a, b := from.processes[i], to.processes[i]
		others -= b.cpu - a.cpu
		s.Processes = append(s.Processes, record.Process{
			Name: p.Command.Name,
			CPU:  (b.cpu - a.cpu).Seconds(),
			User: (b.split.User - a.split.User).Seconds(), System: (b.split.System - a.split.System).Seconds(),
			Resident: b.memory.Resident, Peak: b.memory.Peak,
			Collections: collections(p, b.gcs-a.gcs),
		})
	}
	s.OthersCPU = max(0, others).Seconds()
	s.Steal = (to.machine.Steal - from.machine.Steal).Seconds()
}

// collections is nil for a program that does not report them.
func collections(p *process.Process, n int) *int {
	if !isGo(p.Command) {
		return nil
	}
	return &n
}
