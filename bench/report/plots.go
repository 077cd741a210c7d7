package main

import (
	"image/color"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// plotDirectory holds the plots, beside the report.
const plotDirectory = "plots"

// The plots.
const (
	plotShort   = "cpu-short-lived.svg"
	plotKept    = "cpu-keep-alive.svg"
	plotLatency = "latency-rate.svg"
	plotMemory  = "memory-session.svg"
	plotStore   = "store-cpu.svg"

	plotGrowthShort = "growth-short-lived.svg"
	plotGrowthKept  = "growth-keep-alive.svg"
	plotGrowthRate  = "growth-rate.svg"
)

// picture is a plot that a run has figures for.
type picture struct {
	name, about string
	svg         func() ([]byte, error)
}

// pictures returns those that the run has figures for.
func pictures(f *figures) []picture {
	var all []picture
	add := func(name, about string, has bool, svg func() ([]byte, error)) {
		if has {
			all = append(all, picture{name, about, svg})
		}
	}
	short, kept := cpuChart(f, false), cpuChart(f, true)
	latency, store := latencyChart(f), storeChart(f)
	add(plotShort, "CPU per operation against the number of short-lived clients", len(short.lines) > 0, short.svg)
	add(plotKept, "CPU per operation against the number of keep-alive clients", len(kept.lines) > 0, kept.svg)
	add(plotLatency, "Latency against the rate", len(latency.lines) > 0, latency.svg)
	add(plotStore, "CPU of the stores per operation against the number of sessions", len(store.lines) > 0, store.svg)
	memory := memoryBars(f)
	add(plotMemory, "Memory of the stores per session", len(memory.sizes) > 0, memory.svg)
	short, kept = growthChart(f, false), growthChart(f, true)
	rate := growthRateChart(f)
	add(plotGrowthShort, "CPU of dc_client per operation against the number of short-lived clients", len(short.lines) > 0, short.svg)
	add(plotGrowthKept, "CPU of dc_client per operation against the number of keep-alive clients", len(kept.lines) > 0, kept.svg)
	add(plotGrowthRate, "CPU of dc_client per operation against the rate", len(rate.lines) > 0, rate.svg)
	return all
}

// cpuChart has a line for each proxy.
func cpuChart(f *figures, keepAlive bool) *chart {
	return clientsChart(f, "the proxy", f.clients(keepAlive), keepAlive, record.Proxy, proxyCell)
}

// clientsChart has a line for each target of an experiment, over numbers of clients.
func clientsChart(f *figures, of string, clients []int, keepAlive bool, experiment string, cellOf func(target string, clients int, keepAlive bool) cell) *chart {
	c := &chart{
		title: "Processor time of " + of + ", " + style(keepAlive) + " clients",
		x:     "clients at a time (logarithmic)", y: "microseconds of CPU per operation", logX: true, whiskers: true,
	}
	for _, n := range clients {
		c.ticksX = append(c.ticksX, float64(n))
	}
	for _, target := range f.targets(experiment) {
		l := line{name: target, look: lookOf(target), dashed: target == floor}
		for _, n := range clients {
			l.add(float64(n), f.cpu(cellOf(target, n, keepAlive)))
		}
		c.add(l)
	}
	return c
}

// latencyChart has two lines for each proxy, the median and the 99th percentile.
func latencyChart(f *figures) *chart {
	rates := f.rates()
	c := &chart{
		title: "Latency of short-lived clients at a given rate", x: "operations per second, asked for",
		y: "milliseconds (logarithmic)", logY: true, ticksX: someRates(rates),
	}
	for _, target := range f.targets(record.Rate) {
		p50 := line{name: target + ", p50", look: lookOf(target)}
		p99 := line{name: target + ", p99", look: lookOf(target), dashed: true}
		for _, rate := range rates {
			at := rateCell(f, target, rate)
			p50.add(rate, f.rounds(at, func(s *record.Sample) float64 { return s.Latency.P50 / 1000 }))
			p99.add(rate, f.rounds(at, func(s *record.Sample) float64 { return s.Latency.P99 / 1000 }))
		}
		c.add(p50)
		c.add(p99)
	}
	return c
}

// someRates are the multiples of 10,000. With more labels these would overlap.
func someRates(rates []float64) []float64 {
	ticks := []float64{0}
	for _, r := range rates {
		if int(r)%10_000 == 0 {
			ticks = append(ticks, r)
		}
	}
	return ticks
}

// storeChart has two lines for each store, GET and SET.
func storeChart(f *figures) *chart {
	sizes := f.sessions(record.Store)
	c := &chart{title: "Processor time of the store, one pipelined connection", x: "sessions in the store (logarithmic)",
		y: "microseconds of CPU per operation", logX: true, whiskers: true}
	for _, n := range sizes {
		c.ticksX = append(c.ticksX, float64(n))
	}
	for _, target := range f.targets(record.Store) {
		hit := line{name: target + ", GET hit", look: lookOf(target)}
		set := line{name: target + ", SET", look: lookOf(target), dashed: true}
		for _, n := range sizes {
			hit.add(float64(n), f.cpu(storeCell(target, n, record.Hit)))
			set.add(float64(n), f.cpu(storeCell(target, n, record.Set)))
		}
		c.add(hit)
		c.add(set)
	}
	return c
}

// add appends the median of the rounds, if there are any.
func (l *line) add(x float64, r stat.Rounds) {
	if s := r.Spread(); s.N > 0 {
		l.points = append(l.points, point{x, s.Median, s.Low, s.High})
	}
}

// add appends the line, if it has points.
func (c *chart) add(l line) {
	if len(l.points) > 0 {
		c.lines = append(c.lines, l)
	}
}

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
