package main

import (
	"slices"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// figures gives access to the samples of a run by cell.
type figures struct {
	run *record.Run
}

func newFigures(run *record.Run) *figures { return &figures{run: run} }

// cell names a group of samples that differ only in their round.
type cell struct {
	experiment string
	target     string
	clients    int
	keepAlive  bool
	rate       float64
	sessions   int
	op         string
}

// cellOf is the cell of a sample. In the experiment Calm the rate is left out: it follows from each round's own highest
// rate.
func cellOf(s *record.Sample) cell {
	c := cell{experiment: s.Experiment, target: s.Target, clients: s.Clients, keepAlive: s.KeepAlive,
		rate: s.Rate, sessions: s.Sessions, op: s.Op}
	if s.Experiment == record.Calm {
		c.rate = 0
	}
	return c
}

func proxyCell(target string, clients int, keepAlive bool) cell {
	return cell{experiment: record.Proxy, target: target, clients: clients, keepAlive: keepAlive}
}

func storeCell(target string, sessions int, op string) cell {
	return cell{experiment: record.Store, target: target, sessions: sessions, op: op}
}

func doorCell(target string, clients int, op string) cell {
	return cell{experiment: record.Doors, target: target, clients: clients, keepAlive: true, op: op}
}

// samples returns those of the cell, the unusable ones too.
func (f *figures) samples(c cell) []*record.Sample {
	var found []*record.Sample
	for i := range f.run.Samples {
		if s := &f.run.Samples[i]; cellOf(s) == c {
			found = append(found, s)
		}
	}
	return found
}

// rounds returns one figure of the cell's usable samples.
func (f *figures) rounds(c cell, figure func(*record.Sample) float64) stat.Rounds {
	r := stat.Rounds{}
	for _, s := range f.samples(c) {
		if s.Usable() {
			r[s.Round] = figure(s)
		}
	}
	return r
}

// cpu is the measured process's microseconds per operation.
func (f *figures) cpu(c cell) stat.Rounds { return f.rounds(c, (*record.Sample).CPU) }

// idle returns the resident bytes for each idle connection.
func (f *figures) idle(target string) stat.Rounds {
	r := stat.Rounds{}
	for i := range f.run.Samples {
		s := &f.run.Samples[i]
		if s.Experiment == record.Idle && s.Target == target && s.Error == "" && s.Clients > 0 {
			r[s.Round] = float64(s.After-s.Before) / float64(s.Clients)
		}
	}
	return r
}

// perSession returns the resident bytes for each session of a store.
func (f *figures) perSession(target string, sessions int) stat.Rounds {
	return f.rounds(storeCell(target, sessions, record.Set), func(s *record.Sample) float64 {
		return float64(s.After-s.Before) / float64(sessions)
	})
}

// total sums a count over the samples of a cell.
func (f *figures) total(c cell, count func(*record.Sample) uint64) uint64 {
	var n uint64
	for _, s := range f.samples(c) {
		n += count(s)
	}
	return n
}

// targets returns the names that the experiment has samples of, in the order in which they were first measured.
func (f *figures) targets(experiment string) []string {
	return distinct(f, experiment, func(s *record.Sample) string { return s.Target }, nil)
}

// clients returns the numbers of clients, ascending.
func (f *figures) clients(keepAlive bool) []int {
	numbers := distinct(f, record.Proxy, func(s *record.Sample) int { return s.Clients },
		func(s *record.Sample) bool { return s.KeepAlive == keepAlive })
	slices.Sort(numbers)
	return numbers
}

// sessions returns the numbers of sessions, ascending.
func (f *figures) sessions(experiment string) []int {
	numbers := distinct(f, experiment, func(s *record.Sample) int { return s.Sessions }, nil)
	slices.Sort(numbers)
	return numbers
}

func (f *figures) rates() []float64 {
	rates := distinct(f, record.Rate, func(s *record.Sample) float64 { return s.Rate }, nil)
	slices.Sort(rates)
	return rates
}

// distinct lists the values of one field in the samples of an experiment.
func distinct[T comparable](f *figures, experiment string, field func(*record.Sample) T, only func(*record.Sample) bool) []T {
	var found []T
	for i := range f.run.Samples {
		s := &f.run.Samples[i]
		if s.Experiment != experiment || only != nil && !only(s) {
			continue
		}
		if v := field(s); !slices.Contains(found, v) {
			found = append(found, v)
		}
	}
	return found
}

// The targets, as bench/system names them.
const (
	floor     = "floor"
	stubbed   = "dc_client"
	pair      = "dc_client+dc_server"
	door      = "dc_client -memcached+dc_server"
	secure    = "dc_client+dc_server TLS"
	stored    = "dc_client+dc_server+redis"
	twemproxy = "twemproxy+memcached"
	goroutine = "goroutine"
	gnetRun   = "gnet.Run"
	server    = "dc_server"
	memcached = "memcached"
	redis     = "redis"
)

// sessionBytes are the ID and the data of each session in a store.
const sessionBytes = 32 + 180

func style(keepAlive bool) string {
	if keepAlive {
		return "keep-alive"
	}
	return "short-lived"
}
