package main

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// update writes the golden files anew: go test ./bench/report -update.
func updating() bool { return flag.Lookup("update").Value.String() == "true" }

func TestMain(m *testing.M) {
	flag.Bool("update", false, "write the files in testdata anew")
	flag.Parse()
	os.Exit(m.Run())
}

// canned is a run with what runs can lack: peers that are not installed, cells and rounds that were not measured, and
// measurements that went wrong.
func canned(t *testing.T) *record.Run {
	t.Helper()
	r, err := record.Load("testdata/run.json")
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func rendered(t *testing.T, r *record.Run) map[string][]byte {
	t.Helper()
	files, err := render(r, "bench/results/run.json", "bench")
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string][]byte{}
	for _, f := range files {
		byName[f.name] = f.content
	}
	return byName
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if updating() {
		if err := os.WriteFile(path, got, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s: got other text; read the difference, then: go test ./bench/report -update\n%s", path, firstDifference(got, want))
	}
}

func firstDifference(got, want []byte) string {
	g, w := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}

func TestReportGolden(t *testing.T) {
	golden(t, "report.md", rendered(t, canned(t))[reportName])
}

func TestSummaryGolden(t *testing.T) {
	golden(t, "summary.md", []byte(summary(newFigures(canned(t)), "bench/results/run.json", "bench")))
}

func TestSameBytesAgain(t *testing.T) {
	first, second := rendered(t, canned(t)), rendered(t, canned(t))
	for name, content := range first {
		if !bytes.Equal(content, second[name]) {
			t.Errorf("%s: got other bytes the second time, want the same", name)
		}
	}
}

func TestWhatIsMissingIsSaid(t *testing.T) {
	text := string(rendered(t, canned(t))[reportName])
	for _, want := range []string{
		"- redis: redis-server not installed: make bench-deps",
		"- twemproxy+memcached: nutcracker not installed: make bench-deps",
		"- short-lived, 10000 clients: needs 10400 descriptors",
		"no answer: none within 5s",
		"round 1 of 256 clients short-lived",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("got no %q in the report", want)
		}
	}
	for _, bad := range []string{"NaN", "Inf", "%!"} {
		if strings.Contains(text, bad) {
			t.Errorf("got %q in the report", bad)
		}
	}
}

func TestPlots(t *testing.T) {
	files := rendered(t, canned(t))
	want := map[string][]string{
		plotShort:   {"clients at a time", "microseconds of CPU per operation", ">goroutine<", ">floor<"},
		plotKept:    {"keep-alive", ">dc_client<"},
		plotLatency: {"milliseconds", "operations per second", ">dc_client+dc_server, p99<"},
		plotMemory:  {"resident bytes per session", ">memcached<", ">1,000,000<", "ID and data alone"},
		plotStore:   {"sessions in the store", ">dc_server, GET hit<"},
	}
	for name, texts := range want {
		svg := files[filepath.Join(plotDirectory, name)]
		if err := wellFormed(svg); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, text := range texts {
			if !bytes.Contains(svg, []byte(text)) {
				t.Errorf("%s: got no %q in it", name, text)
			}
		}
		if bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
			t.Errorf("%s: got a NaN or Inf in it", name)
		}
	}
}

// A store allocates some memory in one piece. With few sessions this says nothing about the memory of one.
func TestNoMemoryOfFewSessions(t *testing.T) {
	if svg := rendered(t, canned(t))[filepath.Join(plotDirectory, plotMemory)]; bytes.Contains(svg, []byte(">1,000<")) {
		t.Error("got a group of 1,000 sessions, want none")
	}
}

func wellFormed(b []byte) error {
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// A run of nothing, and one of some experiments, still make a report.
func TestPartsOfARun(t *testing.T) {
	all := canned(t)
	for _, experiment := range []string{"none", record.Proxy, record.Rate, record.Idle, record.Store, record.Calm, record.Steady} {
		r := *all
		r.Samples = slices.DeleteFunc(slices.Clone(all.Samples), func(s record.Sample) bool { return s.Experiment != experiment })
		if text := string(rendered(t, &r)[reportName]); !strings.Contains(text, "# Benchmark report") || strings.Contains(text, "NaN") {
			t.Errorf("only %s: got a report without its title, or with NaN", experiment)
		}
		if text := summary(newFigures(&r), "x.json", "bench"); !strings.Contains(text, "Raw figures in") {
			t.Errorf("only %s: got %q, want a link to the raw figures", experiment, text)
		}
	}
}

// Every sample is wrong: no plot, no figure, and all reasons.
func TestAllWrong(t *testing.T) {
	r := canned(t)
	for i := range r.Samples {
		r.Samples[i].Error = "it ended"
	}
	files := rendered(t, r)
	if len(files) != 1 {
		t.Errorf("got %d files, want the report alone", len(files))
	}
	if n := strings.Count(string(files[reportName]), ": it ended\n"); n < len(r.Samples)/4 {
		t.Errorf("got %d lines that say what went wrong, want about one for each of %d samples", n, len(r.Samples))
	}
}

// The report shows garbage collections for each process that counts them.
func TestCollections(t *testing.T) {
	want := map[string]string{"dc_client": "2", "dc_server": "7"}
	for _, row := range collectionTable(newFigures(canned(t))).rows[1:] {
		if row[2] != want[row[0]] {
			t.Errorf("%s: got %s collections, want %s", row[0], row[2], want[row[0]])
		}
		delete(want, row[0])
	}
	if len(want) > 0 {
		t.Errorf("got no rows for %v", want)
	}
}

func TestReplaceBlock(t *testing.T) {
	rows := []struct{ name, text, want string }{
		{"first time", "a\n<!-- numbers -->\n\nb\n", "a\n<!-- numbers -->\nNEW\n<!-- /numbers -->\n\nb\n"},
		{"again", "a\n<!-- numbers -->\nold\nold\n<!-- /numbers -->\nb\n", "a\n<!-- numbers -->\nNEW\n<!-- /numbers -->\nb\n"},
		{"at the end", "<!-- numbers -->", "<!-- numbers -->\nNEW\n<!-- /numbers -->"},
	}
	for _, row := range rows {
		got, err := replaceBlock(row.text, "NEW\n\n")
		if err != nil || got != row.want {
			t.Errorf("%s: got %q (%v), want %q", row.name, got, err, row.want)
		}
		if again, _ := replaceBlock(got, "NEW\n\n"); again != got {
			t.Errorf("%s: a second time: got %q, want no change", row.name, again)
		}
	}
	if _, err := replaceBlock("no mark", "NEW"); !errors.Is(err, errNoBlock) {
		t.Errorf("without a mark: got %v, want %v", err, errNoBlock)
	}
}

func TestRunWritesFiles(t *testing.T) {
	directory := t.TempDir()
	readme := filepath.Join(directory, "README.md")
	if err := os.WriteFile(readme, []byte("# x\n"+blockBegin+"\n## y\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	args := []string{"-results", "testdata/run.json", "-out", directory, "-readme", readme}
	if code := run(args, &stdout, &stderr); code != 0 {
		t.Fatalf("got exit code %d: %s", code, stderr.String())
	}
	for _, name := range []string{reportName, filepath.Join(plotDirectory, plotShort), filepath.Join(plotDirectory, plotMemory)} {
		if info, err := os.Stat(filepath.Join(directory, name)); err != nil || info.Size() < 1000 {
			t.Errorf("%s: got %v, want a file", name, err)
		}
	}
	if b, _ := os.ReadFile(readme); !bytes.Contains(b, []byte(blockEnd)) || !bytes.Contains(b, []byte("## y")) {
		t.Errorf("README: got %s, want the block and what was around it", b)
	}
	if !strings.Contains(stdout.String(), "report.md") {
		t.Errorf("got %q, want the report's path", stdout.String())
	}
}

func TestExitCodes(t *testing.T) {
	rows := []struct {
		name string
		args []string
		code int
	}{
		{"help", []string{"-h"}, 0},
		{"unknown flag", []string{"-x"}, 2},
		{"no such results", []string{"-results", "testdata/none.json"}, 1},
		{"no results", []string{"-results", "report_test.go"}, 1},
		{"no such README", []string{"-results", "testdata/run.json", "-out", t.TempDir(), "-readme", "testdata/none.md"}, 1},
	}
	for _, row := range rows {
		if code := run(row.args, io.Discard, io.Discard); code != row.code {
			t.Errorf("%s: got %d, want %d", row.name, code, row.code)
		}
	}
}

func TestNumber(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0", 0.0004: "0.000", 0.1234: "0.123", 1.234: "1.23", 9.996: "10.0", 12.34: "12.3", 99.96: "100", 123.4: "123",
		1234.5: "1,234", 12345678: "12,345,678", -1234.5: "-1,234", -12.34: "-12.3", 999999.6: "1,000,000",
	} {
		if got := number(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

func TestAbsentFigures(t *testing.T) {
	if got := median(nil) + spread(nil) + ratio(stat.Spread{}) + times(stat.Spread{}); got != strings.Repeat(absent, 4) {
		t.Errorf("got %q, want that nothing was measured", got)
	}
	if got := spread(stat.Rounds{1: 2}); got != "2.00" {
		t.Errorf("one round: got %q, want no range", got)
	}
	if got := spread(stat.Rounds{1: 1, 2: 2, 3: 4}); got != "2.00 (1.00–4.00)" {
		t.Errorf("three rounds: got %q, want the range", got)
	}
}

func TestTable(t *testing.T) {
	x := newTable("name", "us")
	x.add("dc_client", "1.5×")
	want := "| name      |   us |\n|-----------|-----:|\n| dc_client | 1.5× |\n"
	if got := x.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestTicks(t *testing.T) {
	rows := []struct {
		low, high float64
		want      string
	}{
		{0, 100, "0 10 20 30 40 50 60 70 80 90 100"},
		{0, 35, "0 5 10 15 20 25 30 35"},
		{0, 3.1, "0.0 0.5 1.0 1.5 2.0 2.5 3.0"},
		{0, 0.9, "0.0 0.1 0.2 0.3 0.4 0.5 0.6 0.7 0.8 0.9"},
		{0, 400000, "0 100,000 200,000 300,000 400,000"},
	}
	for _, row := range rows {
		var labels []string
		for _, tick := range evenTicks(row.low, row.high) {
			labels = append(labels, strings.TrimSpace(tick.Label))
		}
		if got := strings.Join(labels, " "); got != row.want {
			t.Errorf("%v to %v: got %s, want %s", row.low, row.high, got, row.want)
		}
	}
	var labels []string
	for _, tick := range powerTicks(0.1, 1000) {
		if !tick.IsMinor() {
			labels = append(labels, strings.TrimSpace(tick.Label))
		}
	}
	if got := strings.Join(labels, " "); got != "0.1 1 10 100 1,000" {
		t.Errorf("powers: got %s", got)
	}
	if n := len(powerTicks(0.1, 1000)); n != 5+4*8 {
		t.Errorf("got %d ticks, want 5 and 8 between each two", n)
	}
}
