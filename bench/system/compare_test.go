package main

import (
	"strings"
	"testing"

	"distcache/bench/record"
)

func comparisonSample(target string, round int, cpu float64) record.Sample {
	return record.Sample{Experiment: record.Proxy, Target: target, Clients: 16, Round: round, Operations: 1_000_000,
		Elapsed: 1, Latency: record.Latency{P50: 100}, Processes: []record.Process{{CPU: cpu}}}
}

func TestPrintComparison(t *testing.T) {
	broken := comparisonSample("dc_client (new)", 3, 99)
	broken.Error = "no answer"
	r := &record.Run{Samples: []record.Sample{
		comparisonSample("dc_client (old)", 1, 10), comparisonSample("dc_client (new)", 1, 9),
		comparisonSample("dc_client (new)", 2, 18), comparisonSample("dc_client (old)", 2, 20),
		comparisonSample("dc_client (old)", 3, 10), broken,
		{Experiment: record.Store, Target: "dc_server (old)", Op: record.Hit, Sessions: 1000, Round: 1, Error: "it ended"},
	}}
	disturbed := comparisonSample("dc_client (new)", 4, 99)
	disturbed.OthersCPU = 1
	r.Samples = append(r.Samples, comparisonSample("dc_client (old)", 4, 10), disturbed)
	r.Machine.Cores = 2
	var b strings.Builder
	o := options{old: "directory"}
	o.versus().printComparison(&b, r, 0.4)
	got := strings.Split(strings.TrimSpace(b.String()), "\n")
	if len(got) != 3 {
		t.Fatalf("got %q, want a head and two cells", got)
	}
	if f := strings.Fields(got[1]); strings.Join(f, " ") != "dc_client short-lived, 16 clients 10.00 13.50 0.900 - 0.900 0.900 100 100 2" {
		t.Errorf("got %q, want the ratio by rounds, without the broken one", got[1])
	}
	if !strings.Contains(got[2], "dc_server GET hit, 1000 sessions") || !strings.Contains(got[2], "no round with figures of both") {
		t.Errorf("got %q, want a line that says that there is nothing", got[2])
	}
}

// TestPrintComparisonOfLinks: there is a line for either process.
func TestPrintComparisonOfLinks(t *testing.T) {
	sample := func(target string, client, server float64) record.Sample {
		s := comparisonSample(target, 1, client)
		s.Processes = []record.Process{{Name: "dc_client", CPU: client}, {Name: "dc_server", CPU: server}}
		return s
	}
	r := &record.Run{Samples: []record.Sample{sample("dc_client+dc_server (TCP)", 10, 5), sample("dc_client+dc_server (TLS)", 11, 6)}}
	var b strings.Builder
	o := options{tls: true}
	o.versus().printComparison(&b, r, 1)
	for _, want := range []string{"TCP us/op", "TLS/TCP", "16 clients             10.00", "1.100", "16 clients: dc_server  5.00", "1.200"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("got %s, want %q in it", b.String(), want)
		}
	}
}
