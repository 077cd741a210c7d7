package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"distcache/bench/record"
)

// spreadAround returns n ratios evenly from middle - width to middle + width.
func spreadAround(middle, width float64, n int) []float64 {
	var ratios []float64
	for i := range n {
		ratios = append(ratios, middle-width+2*width*float64(i)/float64(n-1))
	}
	return ratios
}

func TestJudge(t *testing.T) {
	rows := []struct {
		name   string
		ratios []float64
		want   verdict
	}{
		{"as fast", spreadAround(1, 0.05, 30), passed},
		{"faster", spreadAround(0.8, 0.05, 30), passed},
		{"a little slower", spreadAround(1.04, 0.01, 30), passed},
		{"slower", spreadAround(1.06, 0.05, 30), slower},
		{"much slower, and noisy", spreadAround(1.5, 0.8, 30), slower},
		{"as fast, with single rounds far off", append(spreadAround(1, 0.05, 25), 2, 2, 2, 3, 3), passed},
		{"slower by the median of very noisy rounds", spreadAround(1.06, 0.5, 30), unclear},
		{"too few rounds", spreadAround(1, 0.01, 7), unmeasured},
		{"just enough rounds", spreadAround(1.2, 0.01, 8), slower},
		{"no round", nil, unmeasured},
	}
	for _, row := range rows {
		if got := judge(row.ratios, 1.05); got != row.want {
			t.Errorf("%s: got %q, want %q", row.name, got, row.want)
		}
	}
}

// A table of ratios goes in, the verdict comes out.
func TestGate(t *testing.T) {
	fast := gatedCell{"dc_client short-lived, 1 clients", spreadAround(1, 0.03, 30)}
	slow := gatedCell{"dc_client short-lived, 16 clients", spreadAround(1.1, 0.03, 30)}
	noisy := gatedCell{"dc_client keep-alive, 64 clients", spreadAround(1.06, 0.5, 30)}
	empty := gatedCell{"dc_server GET hit, 1000 sessions", nil}
	rows := []struct {
		name   string
		cells  []gatedCell
		names  []string // that close the gate
		prints []string
	}{
		{"all pass", []gatedCell{fast, fast}, nil, nil},
		{"one is slower", []gatedCell{fast, slow}, []string{slow.name}, []string{"slower: " + slow.name + ": median ratio 1.100"}},
		{"one is unclear", []gatedCell{noisy, fast}, nil, []string{"unclear: " + noisy.name, "repeat on a quieter machine"}},
		{"one was not measured", []gatedCell{fast, empty}, []string{empty.name}, []string{"not measured: " + empty.name}},
		{"two", []gatedCell{slow, noisy, empty}, []string{slow.name, empty.name}, []string{slow.name, noisy.name, empty.name}},
		{"nothing at all", nil, []string{"no cell was measured"}, nil},
	}
	for _, row := range rows {
		var out strings.Builder
		err := passGate(&out, row.cells, 1.05)
		if errors.Is(err, errGate) != (row.names != nil) {
			t.Errorf("%s: got %v, want an error: %v", row.name, err, row.names != nil)
		}
		for _, name := range row.names {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: got %v, want %q in it", row.name, err, name)
			}
		}
		for _, text := range row.prints {
			if !strings.Contains(out.String(), text) {
				t.Errorf("%s: got %q, want %q in it", row.name, out.String(), text)
			}
		}
		if row.prints == nil && out.Len() > 0 {
			t.Errorf("%s: got %q, want nothing printed", row.name, out.String())
		}
	}
}

// The gate takes its ratios from the samples, new over old.
func TestGateOfARun(t *testing.T) {
	r := &record.Run{Machine: record.Machine{Cores: 2}}
	for round := 1; round <= 30; round++ {
		r.Samples = append(r.Samples, comparisonSample("dc_client (old)", round, 10), comparisonSample("dc_client (new)", round, 11))
	}
	v := (&options{old: "directory"}).versus()
	err := v.passGate(&strings.Builder{}, r, 1, 1.05)
	if !errors.Is(err, errGate) || !strings.Contains(err.Error(), "slower: dc_client short-lived, 16 clients") {
		t.Errorf("a tenth more: got %v, want the cell named", err)
	}
	if err := v.passGate(&strings.Builder{}, r, 1, 1.2); err != nil {
		t.Errorf("within the limit: got %v, want none", err)
	}
}

// Without a release to compare with, the script says what to give.
func TestGateWithoutARelease(t *testing.T) {
	root := t.TempDir()
	script, err := os.ReadFile("../gate.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "bench", "gate.sh")
	if err := os.Mkdir(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, script, 0o700); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("git", "init", "-q", root).CombinedOutput(); err != nil {
		t.Skipf("git: %v: %s", err, out)
	}
	cmd := exec.Command(path)
	cmd.Env = append(os.Environ(), "BASE=")
	out, err := cmd.CombinedOutput()
	if code := cmd.ProcessState.ExitCode(); code != 2 || !strings.Contains(string(out), "BASE=") {
		t.Errorf("got exit code %d (%v) and %q, want 2 and BASE= in it", code, err, out)
	}
}
