package metrics

import (
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// HistoryStep is the time between two values of the plots.
	HistoryStep = 5 * time.Second
	// Patience is how long the loops may take to copy their counters.
	Patience = time.Second
	// freshFor is how long figures that were read serve all who ask: a scrape costs the process
	// milliseconds, and many at once must not keep the loop from its clients.
	freshFor = time.Second
)

// Plan is what one of the daemons shows beside its figures.
type Plan struct {
	Series   []Series
	Mistakes []Mistake
}

// Monitor reads the figures, remembers them, and looks for mistakes. It may be used by any
// goroutine.
type Monitor struct {
	plan   Plan
	gather func(within time.Duration) *Set

	mu      sync.Mutex
	fresh   *Set
	history *history
	found   map[string]string // mistakes that last, by ID: what was seen
}

// NewMonitor makes a Monitor. gather copies the counters of all loops.
func NewMonitor(plan Plan, gather func(within time.Duration) *Set) *Monitor {
	return &Monitor{plan: plan, gather: gather, history: newHistory(plan.Series), found: map[string]string{}}
}

// Run takes a step of the history again and again, until quit is closed.
func (m *Monitor) Run(quit <-chan struct{}) {
	m.step()
	pause := time.NewTicker(HistoryStep)
	defer pause.Stop()
	for {
		select {
		case <-quit:
			return
		case <-pause.C:
			m.step()
		}
	}
}

func (m *Monitor) step() {
	m.mu.Lock()
	defer m.mu.Unlock()
	set := m.gather(Patience)
	m.history.add(set)
	if span, ok := m.history.span(); ok {
		m.look(span)
	}
	m.addMistakes(set)
	m.fresh = set
}

// Set gives the figures. They are at most a second old.
func (m *Monitor) Set() *Set {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.fresh == nil || time.Since(m.fresh.at) >= freshFor {
		m.renew()
	}
	return m.fresh
}

func (m *Monitor) renew() {
	m.fresh = m.gather(Patience)
	m.addMistakes(m.fresh)
}

// MistakeFigure tells Prometheus of mistakes. Each daemon has it.
var MistakeFigure = Description{
	Name: "distcache_mistake", Kind: Gauge, Unit: Yes, Labels: []string{"mistake"},
	Help: "1 where the last 15 minutes show this mistake of the site; the status page names the remedy",
}

func (m *Monitor) addMistakes(s *Set) {
	f := s.family(MistakeFigure)
	for _, mistake := range m.plan.Mistakes {
		value := 0.0
		if m.found[mistake.ID] != "" {
			value = 1
		}
		f.add(value, mistake.ID)
	}
}

// look looks for mistakes, and logs each when it is found, once until it has gone.
func (m *Monitor) look(span Span) {
	for _, mistake := range m.plan.Mistakes {
		seen := mistake.Found(span)
		if was := m.found[mistake.ID]; mistake.Logged {
			// its line has come, or comes
		} else if seen != "" && was == "" {
			slog.Warn(mistake.Title, "mistake", mistake.ID, "seen", seen, "remedy", mistake.Remedy)
		} else if seen == "" && was != "" {
			slog.Info("no longer seen: "+mistake.Title, "mistake", mistake.ID)
		}
		m.found[mistake.ID] = seen
	}
}

// Line gives the state and the figures that matter as keys and values of a line of the log. They are of now.
func (m *Monitor) Line() []any {
	set := m.now()
	if status := set.Line(); status != "" {
		return append([]any{"status", status}, set.figures()...)
	}
	return set.figures()
}

// LastLine is Line at the end of the daemon, without the state: that is what the end has made of it.
func (m *Monitor) LastLine() []any { return m.now().figures() }

// now reads the figures anew.
func (m *Monitor) now() *Set {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.renew()
	return m.fresh
}

// figures are those that matter as keys and values of a line of the log.
func (s *Set) figures() (line []any) {
	for _, f := range s.Families {
		line = append(line, f.line()...)
	}
	return line
}

// line is the part of a figure in the line.
func (f *Family) line() (line []any) {
	if f.Line == "" {
		return nil
	}
	for _, s := range f.acrossFronts() {
		switch {
		case s.Times != nil:
			for _, q := range []struct {
				name string
				of   float64
			}{{"_p50", 0.5}, {"_p99", 0.99}} {
				if d, ok := s.Times.Quantile(q.of); ok {
					line = append(line, f.Line+q.name, d.Round(time.Microsecond))
				}
			}
		case len(s.Labels) == 0:
			line = append(line, f.Line, Text(s.Value, f.Unit))
		case s.Value != 0:
			line = append(line, f.Line+"_"+strings.Join(s.Labels, "_"), Text(s.Value, f.Unit))
		}
	}
	return line
}

// acrossFronts adds the samples that differ in their front alone, and leaves that label out. It is
// the last one.
func (f *Family) acrossFronts() []Sample {
	last := len(f.Labels) - 1
	if last < 0 || f.Labels[last] != Front {
		return f.Samples
	}
	sum := &Family{}
	for _, s := range f.Samples {
		sum.add(s.Value, s.Labels[:last]...)
	}
	return sum.Samples
}

// Text gives a value as people read it.
func Text(v float64, unit Unit) string {
	switch unit {
	case Seconds:
		d := time.Duration(v * float64(time.Second))
		switch {
		case d >= time.Minute:
			return d.Round(time.Second).String()
		case d >= time.Second:
			return d.Round(time.Millisecond).String()
		}
		return d.Round(time.Microsecond).String()
	case Bytes:
		return bytesText(v)
	case Ratio:
		return fmt.Sprintf("%.1f%%", 100*v)
	case Yes:
		if v != 0 {
			return "yes"
		}
		return "no"
	}
	return fmt.Sprintf("%.0f", v)
}

func bytesText(v float64) string {
	for _, unit := range []string{"B", "KiB", "MiB", "GiB"} {
		if v < 1024 || unit == "GiB" {
			if unit == "B" {
				return fmt.Sprintf("%.0f B", v)
			}
			return fmt.Sprintf("%.1f %s", v, unit)
		}
		v /= 1024
	}
	return ""
}

// Mistakes lists those that last, in the order of the plan.
func (m *Monitor) Mistakes() []FoundMistake {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []FoundMistake
	for _, mistake := range m.plan.Mistakes {
		if seen := m.found[mistake.ID]; seen != "" {
			all = append(all, FoundMistake{ID: mistake.ID, Title: mistake.Title, Seen: seen, Remedy: mistake.Remedy})
		}
	}
	return all
}

// Plots gives the history of each series, and its value of now, which is that of the last step.
func (m *Monitor) Plots() []Plot {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make([]Plot, 0, len(m.plan.Series))
	for i, s := range m.plan.Series {
		all = append(all, Plot{ID: s.ID, Title: s.Title, Unit: s.Unit, Good: s.Good,
			Points: append([]*float64{}, m.history.points[i]...)}) // not nil, which is null for the page
	}
	return all
}
