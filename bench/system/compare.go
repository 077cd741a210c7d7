package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// versus is two forms of the same targets that are compared.
type versus struct {
	old, new string   // suffixes of the targets' names
	targets  []string // that there are two forms of, without the suffix
}

// versus is what the options ask to compare; nil: nothing.
func (o *options) versus() *versus {
	switch {
	case o.old != "":
		return &versus{" (old)", " (new)", []string{nameStub, namePair, nameServer}}
	case o.tls:
		return &versus{" (TCP)", " (TLS)", []string{namePair}}
	}
	return nil
}

// printComparison writes a line for each cell: the processor time of the measured process in both forms, and the ratio
// new to old by rounds, with the interval around its median; then that of the dc_server behind it. calm is the most that others may have taken of the machine:
// other rounds are left out.
func (v *versus) printComparison(w io.Writer, r *record.Run, calm float64) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	was, is := strings.Trim(v.old, " ()"), strings.Trim(v.new, " ()")
	fmt.Fprintf(t, "cell\t%s us/op\t%s us/op\t%s/%s\t99 %%\tlowest\thighest\t%s p50 us\t%s p50 us\trounds\n", was, is, is, was, was, is)
	for _, c := range v.comparedCells(r, calm) {
		quotients := stat.Quotients(c.cpu[v.new], c.cpu[v.old])
		ratio := stat.Of(quotients)
		if ratio.N == 0 {
			fmt.Fprintf(t, "%s\tno round with figures of both\n", c.name)
			continue
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.3f\t%s\t%.3f\t%.3f\t%s\t%s\t%d\n", c.name,
			c.cpu[v.old].Spread().Median, c.cpu[v.new].Spread().Median, ratio.Median, interval(quotients), ratio.Low, ratio.High,
			latency(c.p50[v.old]), latency(c.p50[v.new]), ratio.N)
	}
	_ = t.Flush()
}

// confidence is that of the interval around the median of a ratio. With some twenty cells, 0.95 would be wrong in one of
// them each time.
const confidence = 0.99

// interval writes the bounds between which the true median ratio lies.
func interval(quotients []float64) string {
	low, high, ok := stat.Interval(quotients, confidence)
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3f–%.3f", low, high)
}

// latency is a median in microseconds. Cells without latencies, such as filling a store, have none.
func latency(r stat.Rounds) string {
	if m := r.Spread().Median; m > 0 {
		return fmt.Sprintf("%.0f", m)
	}
	return "-"
}

// comparedCell is one cell of both forms; the maps are by suffix.
type comparedCell struct {
	name     string
	cpu, p50 map[string]stat.Rounds
}

// comparedCells gathers the samples by cell, in the order in which the cells were first measured.
func (v *versus) comparedCells(r *record.Run, calm float64) []*comparedCell {
	var cells []*comparedCell
	byName := map[string]*comparedCell{}
	cell := func(name string) *comparedCell {
		if byName[name] == nil {
			c := &comparedCell{name: name, cpu: v.bySuffix(), p50: v.bySuffix()}
			byName[name] = c
			cells = append(cells, c)
		}
		return byName[name]
	}
	for i := range r.Samples {
		s := &r.Samples[i]
		suffix, name := v.suffixOf(s.Target), v.cellName(s)
		c := cell(name)
		if !s.Usable() || suffix == "" || disturbed(s, r.Machine.Cores) > calm {
			continue
		}
		c.cpu[suffix][s.Round] = s.CPU()
		c.p50[suffix][s.Round] = s.Latency.P50
		for _, p := range s.Processes[1:] {
			if p.Name == nameServer {
				cell(name + ": dc_server").cpu[suffix][s.Round] = p.CPU * 1e6 / float64(s.Operations)
			}
		}
	}
	return cells
}

// disturbed is the part of the machine that others took during a sample.
func disturbed(s *record.Sample, cores int) float64 {
	if s.Elapsed <= 0 || cores == 0 {
		return 0
	}
	return (s.OthersCPU + s.Steal) / (s.Elapsed * float64(cores))
}

func (v *versus) bySuffix() map[string]stat.Rounds {
	return map[string]stat.Rounds{v.old: {}, v.new: {}}
}

func (v *versus) suffixOf(target string) string {
	for _, suffix := range []string{v.old, v.new} {
		if strings.HasSuffix(target, suffix) {
			return suffix
		}
	}
	return ""
}

// plain is a target's name without the suffix. v may be nil.
func (v *versus) plain(target string) string {
	if v == nil {
		return target
	}
	return strings.TrimSuffix(target, v.suffixOf(target))
}

func (v *versus) cellName(s *record.Sample) string {
	name := v.plain(s.Target)
	if s.Experiment == record.Store {
		return fmt.Sprintf("%s %s, %d sessions", name, s.Op, s.Sessions)
	}
	return fmt.Sprintf("%s %s, %d clients", name, style(s.KeepAlive), s.Clients)
}
