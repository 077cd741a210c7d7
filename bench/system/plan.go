package main

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"distcache/bench/record"
)

// spareDescriptors are the descriptors that a process needs beside those for clients: listeners, timers, lingering
// connections.
const spareDescriptors = 400

// hugeSessions is what -huge adds.
const hugeSessions = 10_000_000

// plan lists the steps, interleaved: round after round, in a round cell after cell, in a cell target after target. It
// also says what is left out, and why.
func (h *harness) plan() ([]step, []record.Skip) {
	p := planner{harness: h, skips: map[string]string{}}
	for round := 1; round <= h.form.rounds; round++ {
		p.proxies(round)
		p.rates(round)
		p.idle(round)
		p.doors(round)
		p.stores(round)
		p.calm(round)
		p.steady(round)
		p.growth(round)
	}
	var skips []record.Skip
	for what, why := range p.skips {
		skips = append(skips, record.Skip{What: what, Why: why})
	}
	slices.SortFunc(skips, func(a, b record.Skip) int { return strings.Compare(a.What, b.What) })
	return p.steps, skips
}

// planner collects steps.
type planner struct {
	harness *harness
	steps   []step
	skips   map[string]string // why, by what
}

func (p *planner) wants(experiment string) bool { return p.harness.options.wants(experiment) }

// each adds a step for each of the targets that can be measured.
func (p *planner) each(targets []*target, cell record.Sample, measure measure) {
	for _, t := range targets {
		if !p.harness.options.wantsTarget(t.name) {
			continue
		}
		if missing := t.missing(); len(missing) > 0 {
			p.skips[t.name] = strings.Join(missing, " and ") + " not installed: make bench-deps"
			continue
		}
		cell.Target = t.name
		p.steps = append(p.steps, step{target: t, cell: cell, measure: measure})
	}
}

// enough reports whether the limit of open files allows so many clients.
func (p *planner) enough(clients int, what string) bool {
	limit := p.harness.record.Machine.Descriptors
	need := uint64(clients + spareDescriptors)
	if need > limit {
		p.skips[what] = fmt.Sprintf("needs %d descriptors, and the hard limit is %d: ulimit -Hn", need, limit)
	}
	return need <= limit
}

func (p *planner) proxies(round int) {
	if !p.wants(record.Proxy) {
		return
	}
	targets := p.compared(round, proxies)
	for _, c := range p.harness.form.cells {
		if !p.enough(c.clients, fmt.Sprintf("%s, %d clients", style(c.keepAlive), c.clients)) {
			continue
		}
		cell := record.Sample{Experiment: record.Proxy, Round: round, Clients: c.clients, KeepAlive: c.keepAlive}
		p.each(targets, cell, measureProxy)
	}
}

// compared are the targets of the form: of a comparison both forms of those that have two, which take turns in being
// first.
func (p *planner) compared(round int, of func(builds) []*target) []*target {
	all := of(p.harness.builds)
	v := p.harness.options.versus()
	if v == nil {
		return all
	}
	var both []*target
	for i, old := range of(p.harness.previous) {
		if slices.Contains(v.targets, v.plain(old.name)) {
			both = append(both, old, all[i])
		}
	}
	if round%2 == 0 {
		slices.Reverse(both)
	}
	return both
}

func (p *planner) rates(round int) {
	if !p.wants(record.Rate) {
		return
	}
	b := p.harness.builds
	targets := []*target{b.pair(), twemproxy(), b.goroutine()}
	saturated := saturation{}
	for _, rate := range p.harness.form.rates {
		cell := record.Sample{Experiment: record.Rate, Round: round, Clients: p.harness.form.rateClients, Rate: rate}
		p.each(targets, cell, saturated.measureRate)
	}
}

func (p *planner) idle(round int) {
	n := p.harness.form.idle
	if !p.wants(record.Idle) || round > p.harness.form.idleRounds || !p.enough(n, fmt.Sprintf("%d idle connections", n)) {
		return
	}
	b := p.harness.builds
	targets := []*target{b.stubbed(), twemproxy(), b.goroutine(), b.gnetRun()}
	p.each(targets, record.Sample{Experiment: record.Idle, Round: round, Clients: n}, measureIdle)
}

func (p *planner) doors(round int) {
	if !p.wants(record.Doors) {
		return
	}
	for _, n := range p.harness.form.doors {
		for _, op := range []string{record.Hit, record.Miss} {
			cell := record.Sample{Experiment: record.Doors, Round: round, Clients: n, KeepAlive: true, Op: op}
			p.each(doors(p.harness.builds), cell, measureDoor)
		}
	}
}

func (p *planner) stores(round int) {
	if !p.wants(record.Store) {
		return
	}
	for _, n := range p.harness.form.stores {
		targets := p.compared(round, func(b builds) []*target { return stores(b, n) })
		p.each(targets, record.Sample{Experiment: record.Store, Round: round, Sessions: n}, measureStore)
	}
	if p.harness.options.huge && round == 1 {
		cell := record.Sample{Experiment: record.Store, Round: round, Sessions: hugeSessions}
		p.each([]*target{p.harness.builds.server(hugeSessions)}, cell, measureStore)
	}
}

func (p *planner) calm(round int) {
	if !p.wants(record.Calm) {
		return
	}
	for _, n := range p.harness.form.calm {
		cell := record.Sample{Experiment: record.Calm, Round: round, Sessions: n}
		p.each([]*target{p.harness.builds.fullServer(n)}, cell, measureCalm)
	}
}

func (p *planner) steady(round int) {
	if !p.wants(record.Steady) || round > 1 || p.harness.form.steady == 0 {
		return
	}
	for _, c := range []cell{{clients: 256}, {clients: 64, keepAlive: true}} {
		cell := record.Sample{Experiment: record.Steady, Round: round, Clients: c.clients, KeepAlive: c.keepAlive}
		p.each([]*target{p.harness.builds.pair()}, cell, measureSteady)
	}
}

// step is one round of one target in one cell.
type step struct {
	target  *target
	cell    record.Sample // which cell and round; nothing is measured yet
	measure measure
}

// measure makes a step and adds its samples to the record. What goes wrong with a target is in its sample; an error ends
// the run.
type measure func(ctx context.Context, h *harness, s step) error

// String names the step in a line of progress.
func (s step) String() string {
	c := &s.cell
	what := ""
	switch c.Experiment {
	case record.Proxy, record.Steady, record.Rate, record.Growth:
		what = fmt.Sprintf("%s, %d clients", style(c.KeepAlive), c.Clients)
		if c.Rate > 0 {
			what = fmt.Sprintf("%.0f/s", c.Rate)
		}
	case record.Doors:
		what = fmt.Sprintf("%s, %d clients", c.Op, c.Clients)
	case record.Idle:
		what = fmt.Sprintf("%d connections", c.Clients)
	case record.Store, record.Calm:
		what = fmt.Sprintf("%d sessions", c.Sessions)
	}
	return fmt.Sprintf("round %d  %s  %s  %s", c.Round, c.Experiment, what, s.target.name)
}

func style(keepAlive bool) string {
	if keepAlive {
		return "keep-alive"
	}
	return "short-lived"
}

// runSteps makes all measurements, and completes the record.
func (h *harness) runSteps(ctx context.Context) error {
	steps, skips := h.plan()
	for _, s := range skips {
		h.skip(s)
	}
	for i := range steps {
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %w", ctx.Err())
		}
		// What the step before left is not collected while this one measures.
		runtime.GC()
		before := len(h.record.Samples)
		if err := steps[i].measure(ctx, h, steps[i]); err != nil {
			return fmt.Errorf("%v: %w", steps[i], err)
		}
		for _, s := range h.record.Samples[before:] {
			h.say("%3d %%  %v  %s", 100*(i+1)/len(steps), steps[i], figures(&s))
		}
	}
	h.record.Took = time.Since(h.started).Seconds()
	return nil
}

// figures are the main ones of a sample, for a line of progress.
func figures(s *record.Sample) string {
	switch {
	case s.Experiment == record.Idle && s.Error == "":
		return fmt.Sprintf("%d bytes each", (s.After-s.Before)/int64(s.Clients))
	case !s.Usable():
		return "no figures: " + s.Error
	}
	return fmt.Sprintf("%s %.2f us/op  %.0f op/s  p50 %.0f us  p99 %.0f us",
		s.Op, s.CPU(), s.Throughput(), s.Latency.P50, s.Latency.P99)
}
