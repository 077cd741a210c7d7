package main

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"distcache/bench/record"
)

// leastSessions is the number from which memory per session says something: below, what a store takes in one piece
// hides it.
const leastSessions = 10_000

// bars is the plot of memory per session: a group for each number of sessions, a bar for each store.
type bars struct {
	sizes   []int
	targets []string
	heights map[string][]float64 // by target and size; 0 where not measured
}

func memoryBars(f *figures) *bars {
	b := &bars{heights: map[string][]float64{}}
	for _, n := range f.sessions(record.Store) {
		known := func(target string) bool { return len(f.perSession(target, n)) > 0 }
		if n >= leastSessions && slices.ContainsFunc(f.targets(record.Store), known) {
			b.sizes = append(b.sizes, n)
		}
	}
	for _, target := range f.targets(record.Store) {
		b.targets = append(b.targets, target)
		for _, n := range b.sizes {
			b.heights[target] = append(b.heights[target], f.perSession(target, n).Spread().Median)
		}
	}
	return b
}

const (
	barWidth = 34 // points
	barGap   = 6
)

// svg draws the bars, and a line at the bytes of ID and data alone.
func (b *bars) svg() ([]byte, error) {
	p := plot.New()
	dress(p, "Memory per session, 32 bytes of ID and 180 of data", "sessions in the store", "resident bytes per session")
	legend := newLegend(p)
	for i, target := range b.targets {
		if err := b.addBars(p, &legend, i, target); err != nil {
			return nil, err
		}
	}
	least := plotter.NewFunction(func(float64) float64 { return sessionBytes })
	least.Color, least.Dashes = color.Gray{Y: 60}, []vg.Length{vg.Points(5), vg.Points(3)}
	p.Add(least)
	legend.Add("ID and data alone", least)
	var names []string
	for _, n := range b.sizes {
		names = append(names, count(n))
	}
	p.NominalX(names...)
	p.X.Min, p.X.Max = -0.6, float64(len(b.sizes))-0.4
	p.Y.Min = 0
	p.Y.Max *= 1.1
	p.Y.Tick.Marker = plot.TickerFunc(evenTicks)
	return drawSVG(p, &legend)
}

func (b *bars) addBars(p *plot.Plot, legend *plot.Legend, i int, target string) error {
	chart, err := plotter.NewBarChart(plotter.Values(b.heights[target]), vg.Points(barWidth))
	if err != nil {
		return err
	}
	chart.Color, chart.LineStyle.Width = lookOf(target).color, 0
	chart.Offset = vg.Points((barWidth + barGap) * (float64(i) - float64(len(b.targets)-1)/2))
	p.Add(chart, b.labels(i, target))
	legend.Add(target, chart)
	return nil
}

// labels writes each bar's height above it.
func (b *bars) labels(i int, target string) *plotter.Labels {
	var xys plotter.XYs
	var texts []string
	for at, height := range b.heights[target] {
		if height > 0 {
			xys = append(xys, plotter.XY{X: float64(at), Y: height})
			texts = append(texts, number(height))
		}
	}
	labels, _ := plotter.NewLabels(plotter.XYLabels{XYs: xys, Labels: texts}) // as many of the one as of the other
	labels.Offset.X = vg.Points((barWidth + barGap) * (float64(i) - float64(len(b.targets)-1)/2))
	labels.Offset.Y = vg.Points(3)
	for j := range labels.TextStyle {
		sans(&labels.TextStyle[j], 9)
		labels.TextStyle[j].XAlign = -0.5
	}
	return labels
}
