package metrics

import (
	"slices"

	"distcache/engine/histogram"
)

// Kind says how a figure moves.
type Kind string

// The kinds.
const (
	Counter   Kind = "counter"   // a total since start
	Gauge     Kind = "gauge"     // a value of now
	Durations Kind = "durations" // how often something took how long
	Sizes     Kind = "sizes"     // how often something had which size
)

// Unit is what a figure is measured in.
type Unit string

// The units. Names of figures in Seconds and Bytes say so.
const (
	Number  Unit = ""
	Seconds Unit = "seconds"
	Bytes   Unit = "bytes"
	Ratio   Unit = "ratio" // from 0 to 1
	Yes     Unit = "yes"   // 1 or 0
)

// Description is what is known of a figure before it is read.
type Description struct {
	Name   string   `json:"name"` // as Prometheus has it
	Help   string   `json:"help"` // one sentence, without a full stop
	Kind   Kind     `json:"kind"`
	Unit   Unit     `json:"unit,omitempty"`
	Labels []string `json:"labels,omitempty"`
	// Line is its key in the line of SIGUSR1; "": it is not in it. The values of one that has
	// labels come as key_label, but for those that are 0.
	Line string `json:"-"`
}

// Figure is one entry of a table. S is the copy of the counters that it is read from.
type Figure[S any] struct {
	Description
	// Read puts the value, or one value for each of several sets of labels. Where several loops
	// put one for the same labels, the values are added.
	Read func(s *S, put Put)
	// Times reads Durations, and Sizes reads Sizes, in place of Read.
	Times func(s *S) *histogram.Histogram
	Sizes func(s *S) *histogram.Sizes
}

// Put is how an entry of a table gives a value.
type Put = func(value float64, labels ...string)

// Describe gives the descriptions of a table.
func Describe[S any](table []Figure[S]) []Description {
	all := make([]Description, 0, len(table))
	for _, f := range table {
		all = append(all, f.Description)
	}
	return all
}

// Collect reads a table from s into the set.
func Collect[S any](set *Set, table []Figure[S], s *S) {
	for _, f := range table {
		family := set.family(f.Description)
		switch {
		case f.Times != nil:
			family.addTimes(f.Times(s))
		case f.Sizes != nil:
			family.addSizes(f.Sizes(s))
		default:
			f.Read(s, family.add)
		}
	}
}

// Source is a copy of the counters of one part of one loop. It is read beside the loop.
type Source interface {
	Collect(set *Set)
}

// Sample is one value of a figure.
type Sample struct {
	Labels []string // values, in the order of Description.Labels
	Value  float64
	Times  *histogram.Histogram // of Durations, else nil
	Sizes  *histogram.Sizes     // of Sizes, else nil
}

// Family is a figure that has been read.
type Family struct {
	Description
	Samples []Sample
}

// sample finds the sample with these labels, or makes one.
func (f *Family) sample(labels []string) *Sample {
	for i := range f.Samples {
		if slices.Equal(f.Samples[i].Labels, labels) {
			return &f.Samples[i]
		}
	}
	f.Samples = append(f.Samples, Sample{Labels: slices.Clone(labels)})
	return &f.Samples[len(f.Samples)-1]
}

func (f *Family) add(value float64, labels ...string) { f.sample(labels).Value += value }

func (f *Family) addTimes(h *histogram.Histogram) {
	s := f.sample(nil)
	if s.Times == nil {
		s.Times = new(histogram.Histogram)
	}
	s.Times.Add(h)
}

func (f *Family) addSizes(z *histogram.Sizes) {
	s := f.sample(nil)
	if s.Sizes == nil {
		s.Sizes = new(histogram.Sizes)
	}
	s.Sizes.Add(z)
}

// Names of figures that are read by their name.
const (
	Loops       = "distcache_loops"
	LoopAnswers = "distcache_loop_answers"
	Uptime      = "distcache_uptime_seconds"
	Clients     = "distcache_clients"
	Requests    = "distcache_requests_total"
	Answers     = "distcache_answers_total"
	Brief       = "distcache_brief_adds_total"
	Probes      = "distcache_probes_total"
)

// Front is the label for the protocol that clients speak. The line of SIGUSR1 leaves it out and adds
// the values of all fronts.
const Front = "front"
