package main

import (
	"fmt"
	"slices"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// goal is a figure that the project wants to reach.
type goal struct {
	figure string
	target string
	// judge returns the figure as text, and whether it is reached. An empty text is: not measured.
	judge func(*figures) (string, bool)
}

// goals are those of the project, in the order of the report.
func goals() []goal {
	return []goal{
		{"CPU of dc_client over the floor, short-lived, 256 clients", "≤ 1.25×", overFloorGoal(256, false, 1.25)},
		{"the same, 2,000 clients", "≤ 1.25×", overFloorGoal(2000, false, 1.25)},
		{"the same, 16 clients", "≤ 1.8×", overFloorGoal(16, false, 1.8)},
		{"the same, keep-alive, 64 clients", "≤ 1.5×", overFloorGoal(64, true, 1.5)},
		{"CPU of dc_client over twemproxy, each with its store, the worst cell", "≤ 0.75×", overTwemproxy},
		{"CPU of dc_client, short-lived, 10,000 clients over 256", "≤ 1.2×", manyClients},
		{"p50 of one short-lived client, dc_client (two hops) over the floor (one)", "≤ 2×", oneClient},
		{"CPU of the load generator over the floor's, short-lived, 2,000 clients", "≤ 1×", generatorGoal},
		{"resident memory of dc_client per idle connection", "≤ 1,024 bytes", idleMemory},
		{"garbage collections of dc_client in a million operations, the worst style", "≤ 5", collectionGoal(0)},
		{"the same, of dc_server", "≤ 5", collectionGoal(1)},
		{"CPU of dc_server per GET hit over memcached, the worst size", "≤ 1×", overMemcached},
		{"CPU of dc_server per GET hit, 1,000,000 sessions over 1,000", "≤ 1.3×", flat},
		{"memory of dc_server over id and data, 1,000,000 sessions", "≤ 64 bytes", overhead(1_000_000)},
		{"the same, 10,000,000 sessions", "≤ 64 bytes", overhead(10_000_000)},
		{"p99.9 of dc_server at half load, 1,000,000 sessions over 1,000", "≤ 2×", calmGoal},
	}
}

// goalTable says of each goal whether it is met.
func goalTable(f *figures) *table {
	t := newTable("figure", "target", "measured", "")
	for _, g := range goals() {
		text, met := g.judge(f)
		verdict := "not met"
		switch {
		case text == "":
			text, verdict = absent, "not measured"
		case met:
			verdict = "met"
		}
		t.add(g.figure, g.target, text, verdict)
	}
	return t
}

// within judges a ratio.
func within(s stat.Spread, bound float64) (string, bool) {
	if s.N == 0 {
		return "", false
	}
	text := times(s)
	if s.N > 1 {
		text = fmt.Sprintf("%s (%.2f–%.2f)", text, s.Low, s.High)
	}
	return text, s.Median <= bound
}

func overFloorGoal(clients int, keepAlive bool, bound float64) func(*figures) (string, bool) {
	return func(f *figures) (string, bool) { return within(overFloor(f, stubbed, clients, keepAlive), bound) }
}

// overTwemproxy finds the cell with the greatest ratio.
func overTwemproxy(f *figures) (string, bool) {
	worst, where := stat.Spread{}, ""
	for _, keepAlive := range []bool{false, true} {
		for _, n := range f.clients(keepAlive) {
			s := stat.Ratio(f.cpu(proxyCell(pair, n, keepAlive)), f.cpu(proxyCell(twemproxy, n, keepAlive)))
			if s.N > 0 && s.Median >= worst.Median {
				worst, where = s, fmt.Sprintf(": %s %s", plural(n, "client"), style(keepAlive))
			}
		}
	}
	text, met := within(worst, 0.75)
	return text + where, met
}

func manyClients(f *figures) (string, bool) {
	return within(stat.Ratio(f.cpu(proxyCell(stubbed, 10_000, false)), f.cpu(proxyCell(stubbed, 256, false))), 1.2)
}

func oneClient(f *figures) (string, bool) {
	p50 := func(s *record.Sample) float64 { return s.Latency.P50 }
	return within(stat.Ratio(f.rounds(proxyCell(stubbed, 1, false), p50), f.rounds(proxyCell(floor, 1, false), p50)), 2)
}

// generatorGoal compares the two ends of the floor's connections: a load generator that costs more than what it drives
// measures itself.
func generatorGoal(f *figures) (string, bool) {
	c := proxyCell(floor, 2000, false)
	own := f.rounds(c, func(s *record.Sample) float64 { return s.LoadCPU * 1e6 / float64(s.Operations) })
	return within(stat.Ratio(own, f.cpu(c)), 1)
}

func idleMemory(f *figures) (string, bool) {
	r := f.idle(stubbed)
	if len(r) == 0 {
		return "", false
	}
	return spread(r) + " bytes", r.Spread().Median <= 1024
}

// steadyOperations is how many a sample must have for its collections to tell.
const steadyOperations = 1_000_000

// collectionGoal takes the process of that index, of the pair.
func collectionGoal(process int) func(*figures) (string, bool) {
	return func(f *figures) (string, bool) {
		most, known := 0, false
		for i := range f.run.Samples {
			s := &f.run.Samples[i]
			if s.Experiment != record.Steady || !s.Usable() || s.Operations < steadyOperations {
				continue
			}
			if n := s.Processes[process].Collections; n != nil {
				most, known = max(most, *n), true
			}
		}
		if !known {
			return "", false
		}
		return count(most), most <= 5
	}
}

// overMemcached finds the number of sessions with the greatest ratio.
func overMemcached(f *figures) (string, bool) {
	worst, where := stat.Spread{}, ""
	for _, n := range f.sessions(record.Store) {
		s := stat.Ratio(f.cpu(storeCell(server, n, record.Hit)), f.cpu(storeCell(memcached, n, record.Hit)))
		if s.N > 0 && s.Median >= worst.Median {
			worst, where = s, fmt.Sprintf(": %s sessions", count(n))
		}
	}
	text, met := within(worst, 1)
	return text + where, met
}

func flat(f *figures) (string, bool) {
	return within(stat.Ratio(f.cpu(storeCell(server, 1_000_000, record.Hit)), f.cpu(storeCell(server, 1000, record.Hit))), 1.3)
}

func overhead(sessions int) func(*figures) (string, bool) {
	return func(f *figures) (string, bool) {
		r := f.perSession(server, sessions)
		if len(r) == 0 {
			return "", false
		}
		over := r.Spread().Median - sessionBytes
		return number(over) + " bytes", over <= 64
	}
}

func calmGoal(f *figures) (string, bool) {
	if !slices.Contains(f.sessions(record.Calm), 1_000_000) {
		return "", false
	}
	return within(stat.Ratio(f.rounds(calmCell(1_000_000), p999), f.rounds(calmCell(1000), p999)), 2)
}
