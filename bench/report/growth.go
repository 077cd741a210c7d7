package main

import (
	"slices"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// growthName is the file of the report on a run of the form Growth.
const growthName = "growth.md"

const aboutGrowth = "Microseconds of CPU per operation of dc_client alone, from one client to as many as the descriptors allow, with " +
	"each of what can stand before and behind it: dc_server over a unix socket, over TLS, with a Redis behind dc_server, " +
	"and asked in memcached's protocol. The median of the rounds and (lowest–highest). The floor is a bare epoll answerer."

const aboutGrowthRate = "The same against the rate: an open loop of short-lived clients, whose operations begin when they are " +
	"due. A target that answers less than 97 % of two rates is not asked for more. The highest rate answered is that of " +
	"the whole machine, which the load generator, the proxy and what is behind it share."

func growthCell(target string, clients int, keepAlive bool) cell {
	return cell{experiment: record.Growth, target: target, clients: clients, keepAlive: keepAlive}
}

func growthRateCell(f *figures, target string, rate float64) cell {
	paced := func(s *record.Sample) bool { return s.Rate > 0 }
	clients := distinct(f, record.Growth, func(s *record.Sample) int { return s.Clients }, paced)
	return cell{experiment: record.Growth, target: target, clients: clients[0], rate: rate}
}

// growthClients are the numbers of clients that asked as fast as answers came, ascending.
func growthClients(f *figures, keepAlive bool) []int {
	numbers := distinct(f, record.Growth, func(s *record.Sample) int { return s.Clients },
		func(s *record.Sample) bool { return s.Rate == 0 && s.KeepAlive == keepAlive })
	slices.Sort(numbers)
	return numbers
}

// growthRates are the rates that were asked for, ascending.
func growthRates(f *figures) []float64 {
	rates := distinct(f, record.Growth, func(s *record.Sample) float64 { return s.Rate },
		func(s *record.Sample) bool { return s.Rate > 0 })
	slices.Sort(rates)
	return rates
}

// growthChart has a line for each use of dc_client.
func growthChart(f *figures, keepAlive bool) *chart {
	return clientsChart(f, "dc_client", growthClients(f, keepAlive), keepAlive, record.Growth, growthCell)
}

// growthRateChart ends each line with the last rate that its target was asked for.
func growthRateChart(f *figures) *chart {
	rates := growthRates(f)
	c := &chart{title: "Processor time of dc_client, short-lived clients at a given rate", x: "operations per second, asked for",
		y: "microseconds of CPU per operation", whiskers: true, ticksX: someRates(rates)}
	for _, target := range f.targets(record.Growth) {
		l := line{name: target, look: lookOf(target), dashed: target == floor}
		for _, rate := range rates {
			l.add(rate, f.cpu(growthRateCell(f, target, rate)))
		}
		c.add(l)
	}
	return c
}

// growthTable has a row for each number of clients.
func growthTable(f *figures, keepAlive bool) *table {
	targets := f.targets(record.Growth)
	t := newTable(append([]string{style(keepAlive) + " clients"}, targets...)...)
	for _, n := range growthClients(f, keepAlive) {
		row := []string{count(n)}
		for _, target := range targets {
			row = append(row, spread(f.cpu(growthCell(target, n, keepAlive))))
		}
		t.add(row...)
	}
	return t
}

// growthRateTable has a row for each rate, and one for the highest rate that was answered.
func growthRateTable(f *figures) *table {
	targets := f.targets(record.Growth)
	t := newTable(append([]string{"asked op/s"}, targets...)...)
	most := make([]float64, len(targets))
	for _, rate := range growthRates(f) {
		row := []string{number(rate)}
		for i, target := range targets {
			c := growthRateCell(f, target, rate)
			most[i] = max(most[i], f.rounds(c, (*record.Sample).Throughput).Spread().Median)
			row = append(row, spread(f.cpu(c)))
		}
		t.add(row...)
	}
	row := []string{"most op/s answered"}
	for _, rate := range most {
		row = append(row, median(stat.Rounds{1: rate}))
	}
	t.add(row...)
	return t
}

func (w *writer) growth() {
	f := w.figures
	w.section("Clients", aboutGrowth, w.plots[plotGrowthShort], growthTable(f, false).String(), "\n",
		w.plots[plotGrowthKept], growthTable(f, true).String(), "\n")
	if len(growthRates(f)) > 0 {
		w.section("Rate", aboutGrowthRate, w.plots[plotGrowthRate], growthRateTable(f).String(), "\n")
	}
}
