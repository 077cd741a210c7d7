package main

import (
	"time"

	"distcache/bench/record"
)

// cell is what the targets are compared in.
type cell struct {
	clients   int
	keepAlive bool
}

// form is how much is measured.
type form struct {
	name     string
	rounds   int
	warmup   time.Duration // before each measurement
	duration time.Duration // of each measurement

	cells []cell

	rates       []float64 // operations per second; those beyond a target's saturation are left out
	rateClients int       // concurrent clients

	idle       int // connections
	idleRounds int

	doors []int // clients

	stores []int  // sessions
	calm   []int  // sessions
	steady uint64 // operations; 0 for none
	// steadyWarmup is how long a proxy may still grow before its collections count.
	steadyWarmup time.Duration

	growth      []int     // clients
	growthRates []float64 // operations per second; those beyond a target's saturation are left out
}

// full is what the figures in README are from.
func full() form {
	return form{
		name: record.Full, rounds: 5, warmup: 200 * time.Millisecond, duration: time.Second,
		cells: append(shortLived(1, 16, 256, 2000, 10000), keptAlive(1, 16, 64, 256, 2000, 10000)...),
		rates: []float64{1000, 2500, 5000, 10000, 15000, 20000, 25000, 30000, 35000, 40000, 50000, 60000}, rateClients: 1000,
		idle: 10000, idleRounds: 3,
		doors:  []int{64, 256},
		stores: []int{1000, 100_000, 1_000_000},
		calm:   []int{1000, 1_000_000},
		steady: 1_000_000, steadyWarmup: time.Second,
	}
}

// quick has every target and every experiment.
func quick() form {
	return form{
		name: record.Quick, rounds: 2, warmup: 100 * time.Millisecond, duration: 400 * time.Millisecond,
		cells: append(shortLived(1, 16, 256, 2000, 10000), keptAlive(64, 2000)...),
		rates: []float64{2500, 10000, 20000, 30000}, rateClients: 1000,
		idle: 10000, idleRounds: 1,
		doors:  []int{64},
		stores: []int{1000, 100_000},
		calm:   []int{1000, 100_000},
	}
}

// comparison is the form for two builds of the same programs. Small differences need many rounds.
func comparison() form {
	return form{
		name: record.Compare, rounds: 7, warmup: 100 * time.Millisecond, duration: 500 * time.Millisecond,
		cells:  append(shortLived(1, 16, 256, 2000), keptAlive(64, 2000)...),
		stores: []int{1000, 100_000},
	}
}

// gated is the same in many short rounds, about eight minutes: what decides is the median of thirty, not a single one.
func gated() form {
	f := comparison()
	f.rounds, f.warmup, f.duration = 30, 50*time.Millisecond, 250*time.Millisecond
	return f
}

// links is for the same programs over TCP and over TLS.
func links() form {
	return form{
		name: record.Compare, rounds: 30, warmup: 100 * time.Millisecond, duration: 500 * time.Millisecond,
		cells: append(shortLived(1, 16, 256, 2000), keptAlive(16, 256)...),
	}
}

// growth is the form of the experiment of that name: about ten minutes. The most clients are what a limit of 20,000
// descriptors leaves room for.
func growth() form {
	return form{
		name: record.Growth, rounds: 5, warmup: 100 * time.Millisecond, duration: 400 * time.Millisecond,
		growth:      []int{1, 4, 16, 64, 256, 1000, 4000, 10000, 19000},
		growthRates: []float64{1000, 2500, 5000, 10000, 20000, 30000, 40000, 60000, 80000}, rateClients: 1000,
	}
}

// quickGrowth is about two minutes.
func quickGrowth() form {
	f := growth()
	f.rounds, f.duration = 2, 200*time.Millisecond
	f.growth, f.growthRates = []int{1, 64, 1000, 19000}, []float64{5000, 20000, 40000}
	return f
}

func shortLived(clients ...int) []cell { return cellsOf(clients, false) }
func keptAlive(clients ...int) []cell  { return cellsOf(clients, true) }

func cellsOf(clients []int, keepAlive bool) []cell {
	var cells []cell
	for _, n := range clients {
		cells = append(cells, cell{n, keepAlive})
	}
	return cells
}

// formOf returns what the options ask for.
func formOf(o options) form {
	f := full()
	switch {
	case o.gate > 0:
		f = gated()
	case o.old != "":
		f = comparison()
	case o.tls:
		f = links()
	case o.only == record.Growth && o.quick:
		f = quickGrowth()
	case o.only == record.Growth:
		f = growth()
	case o.quick:
		f = quick()
	}
	if o.only != "" && o.only != record.Growth || o.targets != "" {
		f.name = record.Part
	}
	if o.rounds > 0 {
		f.rounds = o.rounds
		f.idleRounds = min(f.idleRounds, o.rounds)
	}
	return f
}
