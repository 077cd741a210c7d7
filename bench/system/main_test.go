package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/bench/process"
	"distcache/bench/record"
	"distcache/internal/test/kit"
)

// asHarness in the environment makes the test binary the harness itself, for TestInterrupt.
const asHarness = "BENCH_SYSTEM_HARNESS"

func TestMain(m *testing.M) {
	if os.Getenv(asHarness) != "" {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	kit.Suite{Commands: measured(), Parallel: 1}.Run(m)
}

// programs is the directory of the programs that are measured.
func programs(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("runs processes")
	}
	return filepath.Dir(kit.Tool("dc_client"))
}

// tiny is the shortest run that measures every kind of thing.
func tiny() form {
	return form{
		name: record.Part, rounds: 1, warmup: 5 * time.Millisecond, duration: 20 * time.Millisecond,
		cells: shortLived(20), // growth has kept connections
		rates: []float64{500}, rateClients: 50,
		idle: 50, idleRounds: 1,
		stores: []int{500}, calm: []int{1000}, steady: 1000, steadyWarmup: 10 * time.Millisecond,
		growth: []int{4}, growthRates: kit.Sized(nil, []float64{500}), // the same is measured as for rates
	}
}

// newTestHarness has the tiny form.
func newTestHarness(t *testing.T, o options) *harness {
	t.Helper()
	if o.bin == "" {
		o.bin = programs(t)
	}
	h, err := newHarness(t.Context(), o, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.close)
	h.form = tiny()
	return h
}

// Every target that is installed, in every experiment.
func TestEverything(t *testing.T) {
	h := newTestHarness(t, options{})
	runWithoutStalls(t, h)
	seen, cpu := map[string]int{}, map[string]float64{}
	for i := range h.record.Samples {
		s := &h.record.Samples[i]
		seen[s.Experiment+" "+s.Target]++
		checkSample(t, s)
		for _, p := range s.Processes {
			cpu[p.Name] += p.CPU
		}
	}
	for name, used := range cpu {
		if used <= 0 {
			t.Errorf("process %s: got no CPU time in all samples together, want some", name)
		}
	}
	b := h.builds
	for experiment, targets := range map[string][]*target{
		record.Proxy:  proxies(b),
		record.Rate:   {b.pair(), twemproxy(), b.goroutine()},
		record.Idle:   {b.stubbed(), twemproxy(), b.goroutine(), b.gnetRun()},
		record.Store:  stores(b, 500),
		record.Calm:   {b.server(0)},
		record.Steady: {b.pair()},
		record.Growth: growing(b),
	} {
		for _, target := range targets {
			key := experiment + " " + target.name
			if missing := target.missing(); len(missing) > 0 {
				checkSkipped(t, h.record, target.name, missing)
			} else if seen[key] == 0 {
				t.Errorf("%s: got no sample", key)
			}
		}
	}
}

// runWithoutStalls runs all steps, and those again, for longer, in which the machine stalled.
func runWithoutStalls(t *testing.T, h *harness) {
	t.Helper()
	var good []record.Sample
	for tries := range 4 {
		h.record.Samples = nil
		if err := h.runSteps(t.Context()); err != nil {
			t.Fatal(err)
		}
		var experiments, targets []string
		for _, s := range h.record.Samples {
			if stalled(s) && tries < 3 {
				experiments, targets = append(experiments, s.Experiment), append(targets, s.Target)
				continue
			}
			good = append(good, s)
		}
		if len(targets) == 0 {
			break
		}
		h.options.only, h.options.targets = strings.Join(experiments, ","), strings.Join(targets, ",")
		h.form.duration *= 5
		t.Logf("in try %d the machine did something else: measure %v of %v longer", tries+1, experiments, targets)
	}
	h.record.Samples = good
}

// stalled reports whether the machine did something else for most of a sample.
func stalled(s record.Sample) bool {
	return s.Error == "" && (s.Operations == 0 || s.Failed > s.Operations/2 || s.Late && s.Failed == 0)
}

func checkSkipped(t *testing.T, r *record.Run, name string, missing []string) {
	t.Helper()
	for _, s := range r.Skipped {
		if s.What == name && strings.Contains(s.Why, strings.Join(missing, " and ")) && strings.Contains(s.Why, "make bench-deps") {
			return
		}
	}
	t.Errorf("%s: got no line that says that %v is missing, want one in %v", name, missing, r.Skipped)
}

// checkSample holds what must be true of every good sample.
func checkSample(t *testing.T, s *record.Sample) {
	t.Helper()
	name := step{target: &target{name: s.Target}, cell: *s}.String() + " " + s.Op
	if s.Error != "" {
		t.Errorf("%s: %s", name, s.Error)
		return
	}
	if s.Operations == 0 || s.Failed > s.Operations/2 || s.Elapsed <= 0 {
		t.Errorf("%s: got %d operations, %d without service, in %v s", name, s.Operations, s.Failed, s.Elapsed)
	}
	switch s.Experiment {
	case record.Idle:
		if s.After <= 0 || s.Before <= 0 {
			t.Errorf("%s: got %d and %d resident bytes, want both", name, s.Before, s.After)
		}
		return
	case record.Store:
		if s.Op == record.Set && (s.Operations != uint64(s.Sessions) || s.After <= s.Before) {
			t.Errorf("%s: got %d operations, %d to %d bytes, want %d and growth", name, s.Operations, s.Before, s.After, s.Sessions)
		}
	case record.Rate, record.Growth:
		if got := s.Throughput(); s.Rate > 0 && got > 2*s.Rate {
			t.Errorf("%s: got %.0f operations a second, want about the %.0f asked for", name, got, s.Rate)
		}
	}
	if s.Experiment == record.Growth && s.Target != nameFloor && s.Processes[0].Name != "dc_client" {
		t.Errorf("%s: got the time of %s, want that of dc_client", name, s.Processes[0].Name)
	}
	if s.Late && s.Failed == 0 {
		t.Errorf("%s: the accounts were read late", name)
	}
	for _, p := range s.Processes {
		// No more than a number of threads can take. A clock tick may be longer than a sample.
		if p.CPU < 0 || p.CPU > 16*s.Elapsed+1 || p.Resident <= 0 || p.Peak < p.Resident {
			t.Errorf("%s: process %s: got %+v in %v s", name, p.Name, p, s.Elapsed)
		}
		notGo := p.Name == "nutcracker" || p.Name == "memcached" || p.Name == "redis-server"
		if notGo != (p.Collections == nil) {
			t.Errorf("%s: process %s: got collections %v, want a count of a Go program, and of no other", name, p.Name, p.Collections)
		}
	}
}

func TestNothingIsLeft(t *testing.T) {
	h := newTestHarness(t, options{targets: nameStub, only: record.Proxy})
	s, err := h.newStage(h.builds.stubbed())
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range s.processes {
		pids = append(pids, p.PID())
	}
	if len(pids) != 2 || s.processes[0].Command.Name != "dc_client" {
		t.Errorf("got %d processes, the first %s, want dc_client and its upstream", len(pids), s.processes[0].Command.Name)
	}
	other, err := h.newStage(h.builds.floor())
	if err != nil {
		t.Fatal(err)
	}
	pid := other.processes[0].PID()
	other.end()
	if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		t.Errorf("process %d of a stage that ended: got it running, want it ended", pid)
	}
	h.close() // without ending the first stage
	for _, pid := range pids {
		if !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			t.Errorf("process %d: got it running, want it ended", pid)
		}
	}
	if _, err := os.Stat(h.directory); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s: got %v, want it removed", h.directory, err)
	}
}

// A target that dies makes its sample an error. The run goes on.
func TestTargetThatFails(t *testing.T) {
	h := newTestHarness(t, options{})
	broken := &target{name: "broken", protocol: h.builds.floor().protocol, start: func(s *stage) error {
		return s.start(process.Command{Name: "broken", Path: "/bin/false"})
	}}
	cell := record.Sample{Experiment: record.Proxy, Target: "broken", Clients: 1, Round: 1}
	if err := measureProxy(t.Context(), h, step{target: broken, cell: cell}); err != nil {
		t.Fatal(err)
	}
	if len(h.record.Samples) != 1 || !strings.Contains(h.record.Samples[0].Error, "broken ended: exit status 1") {
		t.Errorf("got %+v, want one sample that says how it ended", h.record.Samples)
	}
	if err := h.wrong(); !errors.Is(err, errWrong) {
		t.Errorf("got %v, want %v", err, errWrong)
	}
}

// The harness ends on SIGINT with exit code 1, and leaves no process and no file.
func TestInterrupt(t *testing.T) {
	bin := programs(t)
	temp, err := os.MkdirTemp("", "dc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(temp) })
	cmd := exec.Command(os.Args[0], "-quick", "-bin", bin, "-o", filepath.Join(temp, "results.json"))
	cmd.Env = append(os.Environ(), "TMPDIR="+temp, asHarness+"=1")
	var stderr lines
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	waitFor(t, "first sample", func() bool { return strings.Contains(stderr.String(), "us/op") })
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(30 * time.Second):
		_ = cmd.Process.Kill()
		t.Fatal("30 s after SIGINT: got it running, want it ended")
	}
	if got := cmd.ProcessState.ExitCode(); got != 1 {
		t.Errorf("exit code: got %d, want 1\n%s", got, stderr.String())
	}
	if left, _ := os.ReadDir(temp); len(left) > 0 {
		t.Errorf("in the temporary directory: got %v, want nothing", left)
	}
	if running := commandsWith(t, temp); len(running) > 0 {
		t.Errorf("got %v running, want nothing", running)
	}
}

// commandsWith lists the command lines of processes that hold the text.
func commandsWith(t *testing.T, text string) []string {
	t.Helper()
	paths, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, path := range paths {
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(text)) {
			found = append(found, string(bytes.ReplaceAll(b, []byte{0}, []byte(" "))))
		}
	}
	return found
}

func waitFor(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(60 * time.Second); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after 60 s: got no %s", what)
		}
	}
}

func TestUsage(t *testing.T) {
	rows := []struct {
		name string
		args []string
		code int
		text string
	}{
		{"help", []string{"-h"}, 0, "usage: go run ./bench/system"},
		{"unknown flag", []string{"-fast"}, 2, "-fast"},
		{"an argument", []string{"quick"}, 2, "only flags are taken"},
		{"unknown experiment", []string{"-only", "proxy,speed"}, 2, "-only speed is none of proxy"},
		{"negative rounds", []string{"-rounds", "-1"}, 2, "-rounds -1 is negative"},
		{"two comparisons", []string{"-tls", "-compare", "old", "-bin", "/nonexistent"}, 2, "-compare and -tls exclude each other"},
		{"growth and more", []string{"-only", "growth,rate", "-bin", "/nonexistent"}, 2, "-only growth excludes other experiments"},
		{"growth of two builds", []string{"-only", "growth", "-compare", "old", "-bin", "/nonexistent"}, 2, "-only growth excludes other experiments"},
		{"a gate without an old build", []string{"-gate", "1.05", "-bin", "/nonexistent"}, 2, "-gate 1.05: it wants -compare"},
		{"a gate for less time", []string{"-gate", "0.9", "-compare", "old", "-bin", "/nonexistent"}, 2, "a ratio above 1"},
		{"unknown target", []string{"-targets", "floor,apache", "-bin", "/nonexistent"}, 2, "-targets apache is none of floor"},
	}
	for _, row := range rows {
		var stdout, stderr bytes.Buffer
		if code := run(row.args, &stdout, &stderr); code != row.code || !strings.Contains(stderr.String(), row.text) {
			t.Errorf("%s: got exit code %d and %q, want %d and %q", row.name, code, stderr.String(), row.code, row.text)
		}
	}
}

// A cancelled run is an error, whatever it was doing.
func TestCancelled(t *testing.T) {
	h := newTestHarness(t, options{targets: nameFloor, only: record.Proxy})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.runSteps(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want %v", err, context.Canceled)
	}
	if len(h.record.Samples) != 0 {
		t.Errorf("got %d samples, want none", len(h.record.Samples))
	}
	if got := fmt.Sprint(h.wrong()); got != "<nil>" {
		t.Errorf("got %s, want no samples to complain of", got)
	}
}
