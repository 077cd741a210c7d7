package main

import (
	"fmt"
	"slices"
	"testing"

	"distcache/bench/record"
)

// Growth has cells for clients of both styles, and for rates.
func TestGrowthIsPlanned(t *testing.T) {
	f := form{rounds: 1, rateClients: 50, growth: []int{1, 19000}, growthRates: []float64{1000, 2000}}
	steps, skips := planned(options{only: record.Growth, targets: nameFloor + "," + namePair}, f, 20000).plan()
	var got []string
	for _, s := range steps {
		got = append(got, fmt.Sprintf("%s/%d/%v/%.0f", s.cell.Target, s.cell.Clients, s.cell.KeepAlive, s.cell.Rate))
	}
	want := []string{
		"floor/1/false/0", "dc_client+dc_server/1/false/0", "floor/19000/false/0", "dc_client+dc_server/19000/false/0",
		"floor/1/true/0", "dc_client+dc_server/1/true/0", "floor/19000/true/0", "dc_client+dc_server/19000/true/0",
		"floor/50/false/1000", "dc_client+dc_server/50/false/1000", "floor/50/false/2000", "dc_client+dc_server/50/false/2000",
	}
	if !slices.Equal(got, want) || len(skips) > 0 {
		t.Errorf("got %v, left out %v, want %v and nothing left out", got, skips, want)
	}
}

// A limit of descriptors that is too low leaves cells out, and says so.
func TestGrowthWithinTheLimit(t *testing.T) {
	f := form{rounds: 2, growth: []int{1, 19000}}
	steps, skips := planned(options{only: record.Growth, targets: nameFloor}, f, 19399).plan()
	const why = "needs 19400 descriptors, and the hard limit is 19399: ulimit -Hn"
	want := []record.Skip{{What: "keep-alive, 19000 clients", Why: why}, {What: "short-lived, 19000 clients", Why: why}}
	if !slices.Equal(skips, want) || len(steps) != 4 {
		t.Errorf("got %v left out and %d steps, want %v and 4", skips, len(steps), want)
	}
}

// The experiment has forms of its own, and is in no other.
func TestGrowthForm(t *testing.T) {
	for _, f := range []form{full(), quick()} {
		if len(f.growth)+len(f.growthRates) > 0 {
			t.Errorf("%s: got cells of growth, want none", f.name)
		}
	}
	f := formOf(options{only: record.Growth})
	if f.name != record.Growth || f.growth[0] != 1 || slices.Max(f.growth) != 19000 || len(f.growthRates) < 8 {
		t.Errorf("got %s with %v clients and %d rates, want 1 to 19,000 clients", f.name, f.growth, len(f.growthRates))
	}
	q := formOf(options{only: record.Growth, quick: true})
	if q.name != record.Growth || len(q.growth) >= len(f.growth) || q.rounds >= f.rounds {
		t.Errorf("quick: got %s with %d numbers of clients in %d rounds, want fewer", q.name, len(q.growth), q.rounds)
	}
}
