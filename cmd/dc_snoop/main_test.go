package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// patience is how long a test waits for what must come, on a busy machine.
const patience = time.Minute

// The names of dc_snoop under which it takes its time: for its last records, as the tests want
// it on a busy machine, or for open requests too, or for nothing, as in use.
const (
	drainsPatiently = "dc_snoop_drains_patiently"
	asUsual         = "dc_snoop_as_usual"
)

func TestMain(m *testing.M) {
	with := func(l limits) func() {
		return func() { os.Exit(run(l, os.Args[1:], os.Stdout, os.Stderr)) }
	}
	kit.Suite{Parallel: 16, Programs: map[string]func(){
		program:         with(limits{drain: usualLimits().drain, write: patience}),
		drainsPatiently: with(limits{drain: patience, write: patience}),
		asUsual:         main,
	}}.Run(m)
}

// start runs dc_snoop before that service, until the test ends.
func start(t *testing.T, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	return startAs(t, program, server, args...)
}

func startAs(t *testing.T, name string, server kit.Endpoint, args ...string) (*kit.Process, kit.Endpoint) {
	t.Helper()
	at := kit.Unix(t)
	process := kit.Start(t, kit.Program(t, name), append(args, "-listen", at.String(), "-server", server.String())...)
	process.WaitStderr(patience, " ready on "+at.String()+" for "+server.String())
	return process, at
}

// stop ends it as an operator does, and holds that it ends well.
func stop(t *testing.T, p *kit.Process) {
	t.Helper()
	if code := p.Stop(); code != 0 {
		t.Errorf("got exit code %d, want 0; stderr:\n%s", code, p.Stderr())
	}
}

// wantLines waits for that many lines of output, and returns them.
func wantLines(t *testing.T, p *kit.Process, want int) []string {
	t.Helper()
	kit.Within(patience, func() bool { return strings.Count(p.Stdout(), "\n") >= want || !p.Running() })
	lines := strings.Split(strings.TrimSuffix(p.Stdout(), "\n"), "\n")
	if len(lines) != want {
		t.Fatalf("got %d lines, want %d:\n%.4000s", len(lines), want, p.Stdout())
	}
	return lines
}

// plain takes out of a line what differs from run to run: when it was, and how long it took.
func plain(line string) string {
	line = regexp.MustCompile(`^\d\d:\d\d:\d\d\.\d{6} `).ReplaceAllString(line, "")
	return regexp.MustCompile(`took=\d+us`).ReplaceAllString(line, "took=T")
}

// wantText holds what was printed.
func wantText(t *testing.T, got []string, want ...string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		g, w := "(nothing)", "(nothing)"
		if i < len(got) {
			g = plain(got[i])
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d:\ngot  %s\nwant %s", i+1, g, w)
		}
	}
}
