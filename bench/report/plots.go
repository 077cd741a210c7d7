package main

import (
	"distcache/bench/record"
	"distcache/bench/stat"
)

// plotFolder holds the plots, beside the report.
const plotFolder = "plots"

// The plots.
const (
	plotShort   = "cpu-short-lived.svg"
	plotKept    = "cpu-keep-alive.svg"
	plotLatency = "latency-rate.svg"
	plotMemory  = "memory-session.svg"
	plotStore   = "store-cpu.svg"
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
	return all
}

// cpuChart has a line for each proxy.
func cpuChart(f *figures, keepAlive bool) *chart {
	clients := f.clients(keepAlive)
	c := &chart{
		title: "Processor time of the proxy, " + style(keepAlive) + " clients",
		x:     "clients at a time (logarithmic)", y: "microseconds of CPU per operation", logX: true, whiskers: true,
	}
	for _, n := range clients {
		c.ticksX = append(c.ticksX, float64(n))
	}
	for _, target := range f.targets(record.Proxy) {
		l := line{name: target, look: lookOf(target), dashed: target == floor}
		for _, n := range clients {
			l.add(float64(n), f.cpu(proxyCell(target, n, keepAlive)))
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

// someRates are those at multiples of 10,000, whose labels do not run into each other.
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
