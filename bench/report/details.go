package main

import (
	"fmt"
	"slices"
	"strings"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// cpuTable has the processor time per operation: a row for each target, a column for each number of clients.
func cpuTable(f *figures, keepAlive bool) *table {
	return clientTable(f, keepAlive, func(target string, clients int) string {
		return spread(f.cpu(proxyCell(target, clients, keepAlive)))
	})
}

// floorTable has the same over the floor.
func floorTable(f *figures, keepAlive bool) *table {
	return clientTable(f, keepAlive, func(target string, clients int) string {
		return times(overFloor(f, target, clients, keepAlive))
	})
}

func overFloor(f *figures, target string, clients int, keepAlive bool) stat.Spread {
	return stat.Ratio(f.cpu(proxyCell(target, clients, keepAlive)), f.cpu(proxyCell(floor, clients, keepAlive)))
}

func clientTable(f *figures, keepAlive bool, text func(target string, clients int) string) *table {
	clients := f.clients(keepAlive)
	head := []string{style(keepAlive) + " clients"}
	for _, n := range clients {
		head = append(head, count(n))
	}
	t := newTable(head...)
	for _, target := range f.targets("proxy") {
		row := []string{target}
		for _, n := range clients {
			row = append(row, text(target, n))
		}
		t.add(row...)
	}
	return t
}

// details has a table for each cell of the proxies, with everything that was measured there.
func details(f *figures) string {
	var b strings.Builder
	for _, keepAlive := range []bool{false, true} {
		for _, n := range f.clients(keepAlive) {
			fmt.Fprintf(&b, "### %s %s\n\n%s\n", plural(n, "client"), style(keepAlive), detailTable(f, n, keepAlive))
		}
	}
	return b.String()
}

func detailTable(f *figures, clients int, keepAlive bool) *table {
	t := newTable("target", "CPU us/op", "over floor", "all processes", "op/s", "p50 us", "p90", "p99", "p99.9", "max",
		"peak MiB", "GCs/M op", "load %", "errors", "rounds")
	for _, target := range f.targets(record.Proxy) {
		c := proxyCell(target, clients, keepAlive)
		at := func(figure func(*record.Sample) float64) string { return median(f.rounds(c, figure)) }
		t.add(target, spread(f.cpu(c)), times(overFloor(f, target, clients, keepAlive)), at((*record.Sample).TotalCPU),
			at((*record.Sample).Throughput),
			at(func(s *record.Sample) float64 { return s.Latency.P50 }),
			at(func(s *record.Sample) float64 { return s.Latency.P90 }),
			at(func(s *record.Sample) float64 { return s.Latency.P99 }),
			at(func(s *record.Sample) float64 { return s.Latency.P999 }),
			at(func(s *record.Sample) float64 { return s.Latency.Max }),
			at(func(s *record.Sample) float64 { return float64(s.Processes[0].Peak) / (1 << 20) }),
			collections(f, c), at(loadShare), failures(f, c), usable(f, c))
	}
	return t
}

// loadShare is how much of one core the load generator took, in percent.
func loadShare(s *record.Sample) float64 { return 100 * s.LoadCPU / max(s.Elapsed, 1e-9) }

// collections are the garbage collections in a million operations, over all rounds.
func collections(f *figures, c cell) string {
	rate, ok := collectionRate(f.samples(c))
	if !ok {
		return absent
	}
	return number(rate)
}

// collectionRate returns the garbage collections of the measured process in a million operations, and false when nothing
// tells.
func collectionRate(samples []*record.Sample) (float64, bool) {
	var gcs, operations float64
	known := false
	for _, s := range samples {
		if s.Usable() && s.Processes[0].Collections != nil {
			known = true
			gcs += float64(*s.Processes[0].Collections)
			operations += float64(s.Operations)
		}
	}
	if !known {
		return 0, false
	}
	return gcs * 1e6 / operations, true
}

// failures are operations that ended in an error, over all rounds.
func failures(f *figures, c cell) string {
	return count(int(f.total(c, func(s *record.Sample) uint64 { return s.Failed })))
}

// usable says how many rounds there are, and how many of them cannot be used.
func usable(f *figures, c cell) string {
	all, good := 0, 0
	for _, s := range f.samples(c) {
		all++
		if s.Usable() {
			good++
		}
	}
	if good == all {
		return count(all)
	}
	return fmt.Sprintf("%d of %d", good, all)
}

// idleTable has the memory of idle connections.
func idleTable(f *figures) *table {
	t := newTable("target", "resident bytes per idle connection", "connections", "rounds")
	for _, target := range f.targets(record.Idle) {
		r := f.idle(target)
		connections := distinct(f, record.Idle, func(s *record.Sample) int { return s.Clients }, nil)
		t.add(target, spread(r), count(connections[0]), count(len(r)))
	}
	return t
}

// doorTable has what a GET costs through each door.
func doorTable(f *figures) *table {
	t := newTable("GET, clients, target", "CPU us/op", "over dc_client's own protocol", "all processes", "of twemproxy+memcached", "op/s",
		"p50 us", "p99", "errors", "rounds")
	clients := distinct(f, record.Doors, func(s *record.Sample) int { return s.Clients }, nil)
	slices.Sort(clients)
	for _, op := range []string{record.Hit, record.Miss} {
		for _, n := range clients {
			total := func(target string) stat.Rounds { return f.rounds(doorCell(target, n, op), (*record.Sample).TotalCPU) }
			for _, target := range f.targets(record.Doors) {
				c := doorCell(target, n, op)
				t.add(fmt.Sprintf("%s, %s, %s", op, count(n), target), spread(f.cpu(c)), times(stat.Ratio(f.cpu(c), f.cpu(doorCell(pair, n, op)))),
					spread(total(target)), times(stat.Ratio(total(target), total(twemproxy))),
					median(f.rounds(c, (*record.Sample).Throughput)),
					median(f.rounds(c, func(s *record.Sample) float64 { return s.Latency.P50 })),
					median(f.rounds(c, func(s *record.Sample) float64 { return s.Latency.P99 })), failures(f, c), usable(f, c))
			}
		}
	}
	return t
}

// rateTable has latency at given rates.
func rateTable(f *figures) *table {
	t := newTable("asked op/s", "target", "answered op/s", "p50 us", "p90", "p99", "p99.9", "max",
		"CPU us/op", "errors", "rounds")
	for _, rate := range f.rates() {
		for _, target := range f.targets(record.Rate) {
			c := rateCell(f, target, rate)
			if len(f.samples(c)) == 0 {
				continue
			}
			at := func(figure func(*record.Sample) float64) string { return median(f.rounds(c, figure)) }
			t.add(number(rate), target, at((*record.Sample).Throughput),
				at(func(s *record.Sample) float64 { return s.Latency.P50 }),
				at(func(s *record.Sample) float64 { return s.Latency.P90 }),
				at(func(s *record.Sample) float64 { return s.Latency.P99 }),
				at(func(s *record.Sample) float64 { return s.Latency.P999 }),
				at(func(s *record.Sample) float64 { return s.Latency.Max }),
				median(f.cpu(c)), failures(f, c), usable(f, c))
		}
	}
	return t
}

func rateCell(f *figures, target string, rate float64) cell {
	clients := distinct(f, record.Rate, func(s *record.Sample) int { return s.Clients }, nil)
	return cell{experiment: record.Rate, target: target, rate: rate, clients: clients[0]}
}

// storeTable has the stores, with many sessions.
func storeTable(f *figures) *table {
	t := newTable("store", "sessions", "GET hit us/op", "GET miss us/op", "SET us/op", "GET hit op/s",
		"bytes/session", "over id and data", "rounds")
	for _, sessions := range f.sessions(record.Store) {
		for _, target := range f.targets(record.Store) {
			hit := storeCell(target, sessions, record.Hit)
			if len(f.samples(hit)) == 0 {
				continue
			}
			bytes := f.perSession(target, sessions)
			over := stat.Rounds{}
			for round, v := range bytes {
				over[round] = v - sessionBytes
			}
			t.add(target, count(sessions), spread(f.cpu(hit)), spread(f.cpu(storeCell(target, sessions, record.Miss))),
				spread(f.cpu(storeCell(target, sessions, record.Set))), median(f.rounds(hit, (*record.Sample).Throughput)),
				spread(bytes), median(over), usable(f, hit))
		}
	}
	return t
}

// calmTable has the latency of dc_server at half of its highest rate.
func calmTable(f *figures) *table {
	t := newTable("sessions", "op/s", "p50 us", "p90", "p99", "p99.9", "max", "GCs/M op", "rounds")
	for _, sessions := range f.sessions(record.Calm) {
		c := calmCell(sessions)
		t.add(count(sessions), median(f.rounds(c, (*record.Sample).Throughput)),
			median(f.rounds(c, func(s *record.Sample) float64 { return s.Latency.P50 })),
			median(f.rounds(c, func(s *record.Sample) float64 { return s.Latency.P90 })),
			median(f.rounds(c, func(s *record.Sample) float64 { return s.Latency.P99 })),
			spread(f.rounds(c, p999)),
			median(f.rounds(c, func(s *record.Sample) float64 { return s.Latency.Max })),
			collections(f, c), usable(f, c))
	}
	return t
}

func calmCell(sessions int) cell {
	return cell{experiment: record.Calm, target: server, sessions: sessions}
}

func p999(s *record.Sample) float64 { return s.Latency.P999 }

// collectionTable has the garbage collections of each Go process over a long run: the largest count of the rounds.
func collectionTable(f *figures) *table {
	type row struct {
		name             string
		operations, most int
	}
	var rows []*row
	for i := range f.run.Samples {
		s := &f.run.Samples[i]
		if s.Experiment != record.Steady || !s.Usable() {
			continue
		}
		for _, p := range s.Processes {
			if p.Collections == nil {
				continue
			}
			at := slices.IndexFunc(rows, func(r *row) bool { return r.name == p.Name })
			if at < 0 {
				at = len(rows)
				rows = append(rows, &row{name: p.Name})
			}
			r := rows[at]
			r.operations, r.most = max(r.operations, int(s.Operations)), max(r.most, *p.Collections)
		}
	}
	t := newTable("process", "operations", "garbage collections")
	for _, r := range rows {
		t.add(r.name, count(r.operations), count(r.most))
	}
	return t
}
