package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"distcache/bench/record"
	"distcache/bench/stat"
)

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
