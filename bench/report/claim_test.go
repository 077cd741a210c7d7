package main

import (
	"strings"
	"testing"

	"distcache/bench/record"
)

// compared is a run with dc_client and twemproxy asked both ways. CPU is in microseconds.
func compared(busy, paced map[string]float64) *record.Run {
	r := &record.Run{Format: record.Format, Form: record.Full, Rounds: 1}
	for target, micros := range busy {
		r.Samples = append(r.Samples, record.Sample{Experiment: record.Proxy, Target: target, Clients: 16, Round: 1,
			Operations: 1_000_000, Elapsed: 1, Processes: []record.Process{{CPU: micros}}})
	}
	for target, micros := range paced {
		r.Samples = append(r.Samples, record.Sample{Experiment: record.Rate, Target: target, Clients: 1000, Rate: 10_000, Round: 1,
			Operations: 1_000_000, Elapsed: 1, Processes: []record.Process{{CPU: micros}}})
	}
	return r
}

// The claim is the more modest one: of the two upstreams, and of the two ways to ask.
func TestClaim(t *testing.T) {
	rows := []struct {
		name        string
		busy, paced map[string]float64
		want        []string
	}{
		{"a rate is worse", map[string]float64{stubbed: 7, pair: 8, twemproxy: 10}, map[string]float64{pair: 18, twemproxy: 20},
			[]string{"0.80", "0.90", "With short-lived clients and at fixed rates, dc_client takes 0.90 times the CPU time of twemproxy in the median, and 0.90 times at worst (operations a second: 10,000)."}},
		{"busy clients are worse, with the stub", map[string]float64{stubbed: 12, pair: 8, twemproxy: 10}, map[string]float64{pair: 18, twemproxy: 20},
			[]string{"1.20", "0.90", "With short-lived clients and at fixed rates, dc_client takes 1.20 times the CPU time of twemproxy in the median, and 1.20 times at worst (clients: 16)."}},
		{"no rates", map[string]float64{stubbed: 7, pair: 8, twemproxy: 10}, nil, nil},
		{"no twemproxy", map[string]float64{stubbed: 7, pair: 8}, map[string]float64{pair: 18}, nil},
	}
	for _, row := range rows {
		f := newFigures(compared(row.busy, row.paced))
		got := claim(f)
		if (got == "") != (row.want == nil) {
			t.Errorf("%s: got %q, want a claim: %v", row.name, got, row.want != nil)
		}
		for _, text := range row.want {
			if !strings.Contains(got, text) {
				t.Errorf("%s: got %q, want %q in it", row.name, got, text)
			}
		}
		if n := len(row.want); n > 0 && !strings.Contains(summary(f, "x.json", "bench"), row.want[n-1]) {
			t.Errorf("%s: want %q in README's block", row.name, row.want[n-1])
		}
	}
}
