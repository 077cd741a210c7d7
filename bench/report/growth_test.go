package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"distcache/bench/record"
)

// grown is a run of two targets; the second one was not asked for the higher rate.
func grown() *record.Run {
	r := &record.Run{Format: record.Format, Form: record.Growth, Rounds: 2, Machine: record.Machine{Cores: 2},
		Skipped: []record.Skip{{What: "short-lived, 19000 clients", Why: "needs 19400 descriptors"}}}
	add := func(target string, clients int, keepAlive bool, rate, micros float64) {
		for round := 1; round <= 2; round++ {
			r.Samples = append(r.Samples, record.Sample{Experiment: record.Growth, Target: target, Clients: clients,
				KeepAlive: keepAlive, Rate: rate, Round: round, Operations: 1_000_000, Elapsed: 100,
				Processes: []record.Process{{Name: "dc_client", CPU: micros + float64(round)}}})
		}
	}
	for i, target := range []string{pair, stored} {
		for _, n := range []int{1, 1000, 10000} {
			add(target, n, false, 0, 10*float64(i+1))
			add(target, n, true, 0, 5*float64(i+1))
		}
		add(target, 1000, false, 10000, 20*float64(i+1))
	}
	add(pair, 1000, false, 20000, 15)
	return r
}

func TestGrowthReport(t *testing.T) {
	files := rendered(t, grown())
	text := string(files[growthName])
	for _, want := range []string{
		"# How the cost of dc_client grows", "Made by `make bench-growth`", "- short-lived, 19000 clients: needs 19400 descriptors",
		"| short-lived clients | dc_client+dc_server | dc_client+dc_server+redis |",
		"| 10,000              |    11.5 (11.0–12.0) |          21.5 (21.0–22.0) |",
		"| 1,000             ", "6.50 (6.00–7.00)",
		"| 10,000             |    21.5 (21.0–22.0) |          41.5 (41.0–42.0) |",
		"| 20,000             |    16.5 (16.0–17.0) |                         – |",
		"| most op/s answered |              10,000 |                    10,000 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in\n%s", want, text)
		}
	}
	if files[reportName] != nil {
		t.Errorf("got a %s too, want %s alone", reportName, growthName)
	}
	for _, name := range []string{plotGrowthShort, plotGrowthKept, plotGrowthRate} {
		svg := files[filepath.Join(plotDirectory, name)]
		if err := wellFormed(svg); err != nil || !bytes.Contains(svg, []byte(">"+stored+"<")) || bytes.Contains(svg, []byte("NaN")) {
			t.Errorf("%s: got %v and %d bytes, want a plot with a line for each target", name, err, len(svg))
		}
	}
}

// A run without rates, and one without anything, still make a report.
func TestGrowthOfLittle(t *testing.T) {
	r := grown()
	r.Samples = r.Samples[:2]
	if text := string(rendered(t, r)[growthName]); strings.Contains(text, "NaN") || strings.Contains(text, "## Rate") {
		t.Errorf("one cell: got %s, want no section on rates", text)
	}
	r.Samples = nil
	if text := string(rendered(t, r)[growthName]); !strings.Contains(text, "# How the cost") {
		t.Errorf("no samples: got %s, want a report", text)
	}
}

// -growth takes the newest run of that form, and leaves README.md alone.
func TestGrowthFlag(t *testing.T) {
	t.Chdir(t.TempDir())
	r := grown()
	if err := r.Save(filepath.Join("bench", "results", r.Name())); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	if code := run([]string{"-growth", "-readme", "none.md"}, &stdout, &stderr); code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr.String())
	}
	if _, err := os.Stat(filepath.Join("bench", growthName)); err != nil || !strings.Contains(stdout.String(), growthName) {
		t.Errorf("got %v and %q, want %s", err, stdout.String(), growthName)
	}
	if code := run(nil, io.Discard, io.Discard); code != 1 {
		t.Errorf("without -growth: got exit code %d, want 1: there is no full or quick run", code)
	}
}
