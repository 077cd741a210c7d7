package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"distcache/bench/record"
)

// planned returns a harness that measures nothing.
func planned(o options, f form, descriptors uint64) *harness {
	h := &harness{options: o, form: f, record: &record.Run{Machine: record.Machine{Descriptors: descriptors}}}
	if err := h.compare(); err != nil {
		panic(err) // there is a working directory
	}
	return h
}

// names lists the steps of an experiment as round, clients and target.
func names(steps []step, experiment string) []string {
	var all []string
	for _, s := range steps {
		if s.cell.Experiment == experiment {
			all = append(all, fmt.Sprintf("%d/%d/%s", s.cell.Round, s.cell.Clients, s.target.name))
		}
	}
	return all
}

func TestRoundsAreInterleaved(t *testing.T) {
	f := form{rounds: 2, cells: shortLived(1, 16)}
	o := options{only: record.Proxy, targets: "floor,dc_client"}
	steps, _ := planned(o, f, 20000).plan()
	want := []string{
		"1/1/floor", "1/1/dc_client", "1/16/floor", "1/16/dc_client",
		"2/1/floor", "2/1/dc_client", "2/16/floor", "2/16/dc_client",
	}
	if got := names(steps, record.Proxy); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestBuildsTakeTurns(t *testing.T) {
	f := form{rounds: 2, cells: shortLived(1), stores: []int{1000}}
	steps, _ := planned(options{old: "directory", only: record.Proxy + "," + record.Store}, f, 20000).plan()
	want := []string{
		"1/1/dc_client (old)", "1/1/dc_client (new)", "1/1/dc_client+dc_server (old)", "1/1/dc_client+dc_server (new)",
		"2/1/dc_client+dc_server (new)", "2/1/dc_client+dc_server (old)", "2/1/dc_client (new)", "2/1/dc_client (old)",
	}
	if got := names(steps, record.Proxy); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	want = []string{"1/0/dc_server (old)", "1/0/dc_server (new)", "2/0/dc_server (new)", "2/0/dc_server (old)"}
	if got := names(steps, record.Store); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLinksTakeTurns(t *testing.T) {
	steps, _ := planned(options{tls: true}, form{rounds: 2, cells: shortLived(1), stores: []int{1000}}, 20000).plan()
	want := []string{
		"1/1/dc_client+dc_server (TCP)", "1/1/dc_client+dc_server (TLS)",
		"2/1/dc_client+dc_server (TLS)", "2/1/dc_client+dc_server (TCP)",
	}
	if got := names(steps, record.Proxy); !slices.Equal(got, want) || len(steps) != len(want) {
		t.Errorf("got %v of %d steps, want %v alone", got, len(steps), want)
	}
}

// The doors that are compared follow each other.
func TestDoorsAreSideBySide(t *testing.T) {
	steps, _ := planned(options{targets: namePair + "," + nameDoor}, form{rounds: 2, doors: []int{64}}, 20000).plan()
	var want []string
	for round := 1; round <= 2; round++ {
		for range 2 { // hit and miss
			want = append(want, fmt.Sprintf("%d/64/%s", round, namePair), fmt.Sprintf("%d/64/%s", round, nameDoor))
		}
	}
	if got := names(steps, record.Doors); !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestTooFewDescriptors(t *testing.T) {
	f := form{rounds: 3, cells: shortLived(16, 10000), idle: 10000, idleRounds: 1}
	steps, skips := planned(options{targets: nameFloor}, f, 4096).plan()
	if got := names(steps, record.Proxy); !slices.Equal(got, []string{"1/16/floor", "2/16/floor", "3/16/floor"}) {
		t.Errorf("got %v, want the rounds with 16 clients alone", got)
	}
	want := []record.Skip{
		{What: "10000 idle connections", Why: "needs 10400 descriptors, and the hard limit is 4096: ulimit -Hn"},
		{What: "short-lived, 10000 clients", Why: "needs 10400 descriptors, and the hard limit is 4096: ulimit -Hn"},
	}
	if !slices.Equal(skips, want) {
		t.Errorf("got %v, want %v, once each", skips, want)
	}
}

func TestMissingPeer(t *testing.T) {
	p := planner{harness: planned(options{}, form{}, 20000), skips: map[string]string{}}
	p.each([]*target{{name: "absent", programs: []string{"sh", "no-such-program"}}, {name: "there", programs: []string{"sh"}}}, record.Sample{Round: 1}, measureProxy)
	if len(p.steps) != 1 || p.steps[0].target.name != "there" || p.steps[0].cell.Target != "there" {
		t.Errorf("got %v, want a step for the target that is there", p.steps)
	}
	if got, want := p.skips["absent"], "no-such-program not installed: make bench-deps"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// The forms hold what reports need: every target, and the cells that the goals are judged by.
func TestForms(t *testing.T) {
	for _, f := range []form{full(), quick()} {
		for _, c := range []cell{{clients: 1}, {clients: 16}, {clients: 256}, {clients: 2000}, {clients: 10000}, {clients: 64, keepAlive: true}} {
			if !slices.Contains(f.cells, c) {
				t.Errorf("%s: got no cell %+v", f.name, c)
			}
		}
		steps, _ := planned(options{}, f, 20000).plan()
		for _, target := range proxies(builds{}) {
			of := func(s step) bool { return s.cell.Experiment == record.Proxy && s.target.name == target.name }
			if len(target.missing()) == 0 && !slices.ContainsFunc(steps, of) {
				t.Errorf("%s: got no step of %s", f.name, target.name)
			}
		}
	}
	if f := full(); !slices.Contains(f.doors, 64) || !slices.Contains(quick().doors, 64) {
		t.Errorf("got doors of %v and %v clients, want 64 in both", f.doors, quick().doors)
	}
	if f := full(); f.rounds < 5 || !slices.Contains(f.stores, 1_000_000) {
		t.Errorf("full: got %d rounds and stores of %v, want at least 5, and 1,000,000", f.rounds, f.stores)
	}
}

func TestFormOf(t *testing.T) {
	rows := []struct {
		name   string
		o      options
		form   string
		rounds int
	}{
		{"plain", options{}, record.Full, full().rounds},
		{"quick", options{quick: true}, record.Quick, quick().rounds},
		{"two builds", options{old: "x"}, record.Compare, comparison().rounds},
		{"a gate", options{old: "x", gate: 1.05}, record.Compare, 30},
		{"two links", options{tls: true}, record.Compare, links().rounds},
		{"some experiments", options{quick: true, only: record.Idle}, record.Part, quick().rounds},
		{"some targets", options{targets: nameFloor}, record.Part, full().rounds},
		{"one round", options{rounds: 1}, record.Full, 1},
	}
	for _, row := range rows {
		if f := formOf(row.o); f.name != row.form || f.rounds != row.rounds {
			t.Errorf("%s: got %s with %d rounds, want %s with %d", row.name, f.name, f.rounds, row.form, row.rounds)
		}
	}
	if f := formOf(options{rounds: 1}); f.idleRounds != 1 {
		t.Errorf("one round: got %d of idle connections, want 1", f.idleRounds)
	}
}

func TestHuge(t *testing.T) {
	steps, _ := planned(options{huge: true, only: record.Store}, form{rounds: 3}, 20000).plan()
	if len(steps) != 1 || steps[0].cell.Sessions != hugeSessions || steps[0].target.name != nameServer {
		t.Errorf("got %v, want dc_server with %d sessions once", steps, hugeSessions)
	}
}

func TestStepText(t *testing.T) {
	s := step{target: &target{name: "floor"}, cell: record.Sample{Experiment: record.Proxy, Round: 2, Clients: 16, KeepAlive: true}}
	if got := s.String(); !strings.Contains(got, "round 2") || !strings.Contains(got, "keep-alive, 16 clients") || !strings.Contains(got, "floor") {
		t.Errorf("got %q, want round, cell and target", got)
	}
}
