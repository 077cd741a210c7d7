package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// The suffixes of the targets of two builds.
const (
	oldSuffix = " (old)"
	newSuffix = " (new)"
)

// printComparison writes a line for each cell: the processor time of the measured process in both builds, and the ratio
// new to old by rounds.
func printComparison(w io.Writer, r *record.Run) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "cell\told us/op\tnew us/op\tnew/old\tlowest\thighest\told p50 us\tnew p50 us\trounds")
	for _, c := range comparedCells(r) {
		ratio := stat.Ratio(c.cpu[newSuffix], c.cpu[oldSuffix])
		if ratio.N == 0 {
			fmt.Fprintf(t, "%s\tno round with figures of both\n", c.name)
			continue
		}
		fmt.Fprintf(t, "%s\t%.2f\t%.2f\t%.3f\t%.3f\t%.3f\t%s\t%s\t%d\n", c.name,
			c.cpu[oldSuffix].Spread().Median, c.cpu[newSuffix].Spread().Median, ratio.Median, ratio.Low, ratio.High,
			latency(c.p50[oldSuffix]), latency(c.p50[newSuffix]), ratio.N)
	}
	_ = t.Flush()
}

// latency is a median in microseconds. Cells without latencies, such as filling a store, have none.
func latency(r stat.Rounds) string {
	if m := r.Spread().Median; m > 0 {
		return fmt.Sprintf("%.0f", m)
	}
	return "-"
}

// comparedCell is one cell of two builds; the maps are by suffix.
type comparedCell struct {
	name     string
	cpu, p50 map[string]stat.Rounds
}

// comparedCells gathers the samples by cell, in the order in which the cells were first measured.
func comparedCells(r *record.Run) []*comparedCell {
	var cells []*comparedCell
	byName := map[string]*comparedCell{}
	for i := range r.Samples {
		s := &r.Samples[i]
		suffix := suffixOf(s.Target)
		name := cellName(s)
		c := byName[name]
		if c == nil {
			c = &comparedCell{name: name, cpu: bySuffix(), p50: bySuffix()}
			byName[name] = c
			cells = append(cells, c)
		}
		if s.Usable() && suffix != "" {
			c.cpu[suffix][s.Round] = s.CPU()
			c.p50[suffix][s.Round] = s.Latency.P50
		}
	}
	return cells
}

func bySuffix() map[string]stat.Rounds {
	return map[string]stat.Rounds{oldSuffix: {}, newSuffix: {}}
}

func suffixOf(target string) string {
	for _, suffix := range []string{oldSuffix, newSuffix} {
		if strings.HasSuffix(target, suffix) {
			return suffix
		}
	}
	return ""
}

func cellName(s *record.Sample) string {
	name := strings.TrimSuffix(s.Target, suffixOf(s.Target))
	if s.Experiment == record.Store {
		return fmt.Sprintf("%s %s, %d sessions", name, s.Op, s.Sessions)
	}
	return fmt.Sprintf("%s %s, %d clients", name, style(s.KeepAlive), s.Clients)
}
