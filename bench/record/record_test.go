package record

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func sampleRun() *Run {
	gcs := 3
	return &Run{
		Format: Format, Form: Quick, Started: time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC), Took: 12.5,
		Command: []string{"go", "run", "./bench/system", "-quick"}, Revision: "0123456789ab-dirty",
		Machine:  Machine{CPU: "A CPU", Cores: 2, Memory: 1 << 34, Kernel: "Linux 6", Descriptors: 20000, Backlog: "4096"},
		Versions: []Version{{"Go", "1.26.8"}}, Accounting: "clock", Rounds: 2, Warmup: 0.1, Duration: 0.4, Load: "GET",
		Targets: []Target{{"floor", "the least", [][]string{{"floor", "$DIR/front"}}}},
		Skipped: []Skip{{"twemproxy+memcached", "nutcracker not installed"}},
		Samples: []Sample{
			{Experiment: Proxy, Target: "floor", Clients: 16, Round: 1, Operations: 1000, Elapsed: 0.5, LoadCPU: 0.1,
				Latency:   Latency{1, 2, 3, 4, 5},
				Processes: []Process{{Name: "floor", CPU: 0.01, User: 0.002, System: 0.008, Resident: 4096, Peak: 8192, Collections: &gcs}, {Name: "stub", CPU: 0.02}}},
			{Experiment: Store, Target: "redis", Sessions: 1000, Op: Set, Round: 2, Error: "it ended", Before: 1, After: 2, Processes: []Process{}},
		},
	}
}

func TestRoundTrip(t *testing.T) {
	want := sampleRun()
	b, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil {
		t.Fatalf("%v in\n%s", err, b)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("encoded again: got other bytes (%v), want the same", err)
	}
}

func TestOneSampleALine(t *testing.T) {
	b, err := sampleRun().Encode()
	if err != nil {
		t.Fatal(err)
	}
	lines := 0
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, `{"experiment":`) {
			lines++
		}
	}
	if lines != 2 {
		t.Errorf("got %d lines with a sample, want 2 in\n%s", lines, b)
	}
}

func TestNoSamples(t *testing.T) {
	r := sampleRun()
	r.Samples = nil
	b, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(b)
	if err != nil || len(got.Samples) != 0 || got.Revision != r.Revision {
		t.Errorf("got %+v (%v), want the run without samples", got, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	for name, text := range map[string]string{"empty": "", "no JSON": "x", "another format": `{"format": 2}`, "none": `{}`, "cut": `{"format": 1, "samples": [`} {
		if _, err := Decode([]byte(text)); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: got %v, want %v", name, err, ErrFormat)
		}
	}
}

func TestSaveAndLoad(t *testing.T) {
	r := sampleRun()
	path := filepath.Join(t.TempDir(), "new", r.Name())
	if err := r.Save(path); err != nil {
		t.Fatal(err)
	}
	if got, err := Load(path); err != nil || got.Revision != r.Revision {
		t.Errorf("got %+v (%v), want what was saved", got, err)
	}
	if filepath.Base(path) != "20260304-050607-quick.json" {
		t.Errorf("got the name %s, want 20260304-050607-quick.json", filepath.Base(path))
	}
}

func TestNewest(t *testing.T) {
	rows := []struct {
		name  string
		files []string
		want  string
	}{
		{"the last full one", []string{"20260101-000000-full.json", "20260201-000000-full.json"}, "20260201-000000-full.json"},
		{"full before quick", []string{"20260101-000000-full.json", "20260301-000000-quick.json"}, "20260101-000000-full.json"},
		{"only quick ones", []string{"20260101-000000-quick.json", "20260301-000000-quick.json"}, "20260301-000000-quick.json"},
		{"others do not count", []string{"20260101-000000-quick.json", "20260401-000000-compare.json", "20260401-000000-part.json", "notes.md"}, "20260101-000000-quick.json"},
		{"none", []string{"20260401-000000-part.json"}, ""},
	}
	for _, row := range rows {
		directory := t.TempDir()
		for _, f := range row.files {
			if err := os.WriteFile(filepath.Join(directory, f), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := Newest(directory, Full, Quick)
		if row.want == "" {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("%s: got %s (%v), want %v", row.name, got, err, os.ErrNotExist)
			}
		} else if filepath.Base(got) != row.want {
			t.Errorf("%s: got %s (%v), want %s", row.name, got, err, row.want)
		}
	}
}

func TestPerOperation(t *testing.T) {
	s := sampleRun().Samples[0]
	if got := s.CPU(); got != 10 {
		t.Errorf("CPU: got %v us, want 10", got)
	}
	if got := s.TotalCPU(); got != 30 {
		t.Errorf("TotalCPU: got %v us, want 30", got)
	}
	if got := s.Throughput(); got != 2000 {
		t.Errorf("Throughput: got %v, want 2000", got)
	}
	s.Elapsed = 0
	if got := s.Throughput(); got != 0 {
		t.Errorf("Throughput in no time: got %v, want 0", got)
	}
}

func TestUsable(t *testing.T) {
	rows := []struct {
		name   string
		change func(*Sample)
		want   bool
	}{
		{"a good one", func(*Sample) {}, true},
		{"something went wrong", func(s *Sample) { s.Error = "violation" }, false},
		{"nothing was done", func(s *Sample) { s.Operations = 0 }, false},
		{"nothing is known of the process", func(s *Sample) { s.Processes = nil }, false},
	}
	for _, row := range rows {
		s := sampleRun().Samples[0]
		row.change(&s)
		if got := s.Usable(); got != row.want {
			t.Errorf("%s: got %v, want %v", row.name, got, row.want)
		}
	}
}
