package main

import (
	"errors"
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

// verdict is what the rounds of one cell say of the new programs.
type verdict string

const (
	passed verdict = "passed"
	// slower: the median ratio is over the limit, and the interval around it says that this is no chance.
	slower verdict = "slower"
	// unclear: the median ratio is over the limit, but the rounds differ so much that the new programs may be as fast as
	// the old ones.
	unclear verdict = "unclear"
	// unmeasured: there are too few rounds for an interval.
	unmeasured verdict = "not measured"
)

// judge decides about one cell from the ratios of new to old, one for each round. The bare median of thirty rounds would
// not do: on a machine with other work single rounds differ by a fifth and more, and the median of thirty by 5 %.
func judge(ratios []float64, limit float64) verdict {
	low, _, ok := stat.Interval(ratios, confidence)
	switch {
	case !ok:
		return unmeasured
	case stat.Of(ratios).Median <= limit:
		return passed
	case low <= 1:
		return unclear
	}
	return slower
}

// gatedCell is one cell with the ratios of new to old by rounds.
type gatedCell struct {
	name   string
	ratios []float64
}

// errGate is returned when the new programs are slower than the old ones, or too little was measured to tell.
var errGate = errors.New("the gate is closed")

// passGate prints a line for each cell that did not pass. It returns an error that names those for which the gate stays
// closed: slower ones, and those that were not measured. Unclear ones do not close it.
func passGate(w io.Writer, cells []gatedCell, limit float64) error {
	if len(cells) == 0 {
		return fmt.Errorf("%w: no cell was measured", errGate)
	}
	var failed []string
	for _, c := range cells {
		v := judge(c.ratios, limit)
		if v == passed {
			continue
		}
		fmt.Fprintf(w, "%s: %s: median ratio %.3f, 99 %% interval %s, limit %.3f, %d rounds\n",
			v, c.name, stat.Of(c.ratios).Median, interval(c.ratios), limit, len(c.ratios))
		if v == unclear {
			fmt.Fprintln(w, "  the rounds differ too much to tell: repeat on a quieter machine, or with more -rounds")
			continue
		}
		failed = append(failed, string(v)+": "+c.name)
	}
	if len(failed) > 0 {
		return fmt.Errorf("%w: %s", errGate, strings.Join(failed, "; "))
	}
	return nil
}

// passGate does this for the cells of a comparison.
func (v *versus) passGate(w io.Writer, r *record.Run, calm, limit float64) error {
	var cells []gatedCell
	for _, c := range v.comparedCells(r, calm) {
		cells = append(cells, gatedCell{c.name, stat.Quotients(c.cpu[v.new], c.cpu[v.old])})
	}
	return passGate(w, cells, limit)
}
