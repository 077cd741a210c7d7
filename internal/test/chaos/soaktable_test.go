package chaos

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// soakRow is how both daemons were at the end of a period.
type soakRow struct {
	after         time.Duration
	operations    int64
	agent, server kit.Vitals
}

// figure is one column of the table that is held to the baseline.
type figure struct {
	name      string
	of        func(soakRow) float64
	tolerance float64 // in parts of the baseline's
	least     float64 // by which it may differ however small it is
}

// figures are those that must stay. Of descriptors and threads one more or less is let
// pass: it is over 5 % of so few, and no leak.
func figures(p soakPlan) []figure {
	var all []figure
	for _, daemon := range []struct {
		name string
		of   func(soakRow) kit.Vitals
	}{
		{"dc_client", func(r soakRow) kit.Vitals { return r.agent }},
		{"dc_server", func(r soakRow) kit.Vitals { return r.server }},
	} {
		all = append(all,
			figure{daemon.name + " MiB", func(r soakRow) float64 { return float64(daemon.of(r).RSS) / (1 << 20) }, p.tolerance, 0},
			figure{daemon.name + " descriptors", func(r soakRow) float64 { return float64(daemon.of(r).FDs) }, 0.05, p.spare},
			figure{daemon.name + " threads", func(r soakRow) float64 { return float64(daemon.of(r).Threads) }, 0.05, p.spare},
		)
	}
	return all
}

// compared gives the baseline and the end of a run. Which sessions a cache holds and when
// the garbage was collected last move memory by a few in a hundred from one period to
// the next; so memory is the median of three periods: those around the baseline, and the
// last ones.
func compared(rows []soakRow, p soakPlan) (base, end soakRow) {
	base, end = rows[p.baseline-1], rows[len(rows)-1]
	around := rows[max(0, p.baseline-2):min(len(rows), p.baseline+1)]
	base.agent.RSS, base.server.RSS = steadied(around)
	end.agent.RSS, end.server.RSS = steadied(rows[max(0, len(rows)-3):])
	return base, end
}

// steadied is the median of what was resident, in bytes.
func steadied(rows []soakRow) (agent, server int64) {
	var ofAgent, ofServer []int64
	for _, r := range rows {
		ofAgent, ofServer = append(ofAgent, r.agent.RSS), append(ofServer, r.server.RSS)
	}
	return median(ofAgent), median(ofServer)
}

// drift tells which figures are not what they were at the baseline.
func drift(rows []soakRow, p soakPlan) []string {
	var found []string
	base, end := compared(rows, p)
	for _, f := range figures(p) {
		was, is := f.of(base), f.of(end)
		if math.Abs(is-was) > max(f.tolerance*was, f.least) {
			found = append(found, fmt.Sprintf("%s: got %.4g at the end, want %.4g as at %v, ± %.0f %%",
				f.name, is, was, base.after.Round(time.Second), f.tolerance*100))
		}
	}
	return found
}

// table is the rows in Markdown.
func table(rows []soakRow, p soakPlan) string {
	var out strings.Builder
	out.WriteString("\n\n| after | operations |")
	for _, f := range figures(p) {
		fmt.Fprintf(&out, " %s |", f.name)
	}
	out.WriteString("\n|---|--:|" + strings.Repeat("--:|", len(figures(p))) + "\n")
	for i, r := range rows {
		note := ""
		if i == p.baseline-1 {
			note = " (baseline)"
		}
		fmt.Fprintf(&out, "| %v%s | %d |", r.after.Round(time.Second), note, r.operations)
		for _, f := range figures(p) {
			fmt.Fprintf(&out, " %.4g |", f.of(r))
		}
		out.WriteString("\n")
	}
	out.WriteString("| end to baseline | |")
	base, end := compared(rows, p)
	for _, f := range figures(p) {
		fmt.Fprintf(&out, " %+.1f %% |", 100*(f.of(end)-f.of(base))/f.of(base))
	}
	out.WriteString("\n")
	return out.String()
}

func median(all []int64) int64 {
	slices.Sort(all)
	return all[len(all)/2]
}

// countGoroutines counts those in a crash's stacks that the Go runtime has not started
// for itself.
func countGoroutines(stacks string) int {
	n := 0
	for block := range strings.SplitSeq(stacks, "\n\n") {
		head, rest, _ := strings.Cut(strings.TrimLeft(block, "\n"), "\n")
		if strings.HasPrefix(head, "goroutine ") && !strings.HasPrefix(head, "goroutine 0 ") && !strings.Contains(rest, "created by runtime.") {
			n++
		}
	}
	return n
}

func TestDriftIsFound(t *testing.T) {
	sound := kit.Vitals{FDs: 210, Threads: 7, RSS: 20 << 20}
	base := soakRow{agent: sound, server: sound}
	tests := []struct {
		name   string
		change func(*soakRow)
		want   string // part of the fault; "": none
	}{
		{"nothing", func(*soakRow) {}, ""},
		{"a little memory", func(r *soakRow) { r.agent.RSS += 1 << 20 }, ""},
		{"memory of dc_client", func(r *soakRow) { r.agent.RSS += 1<<20 + 1<<12 }, "dc_client MiB"},
		{"memory of dc_server", func(r *soakRow) { r.server.RSS += 2 << 20 }, "dc_server MiB"},
		{"descriptors", func(r *soakRow) { r.agent.FDs += 11 }, "dc_client descriptors"},
		{"a few of many descriptors", func(r *soakRow) { r.agent.FDs += 10 }, ""},
		{"a thread", func(r *soakRow) { r.server.Threads++ }, ""},
		{"two threads", func(r *soakRow) { r.server.Threads += 2 }, "dc_server threads"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			end := base
			tt.change(&end)
			got := strings.Join(drift([]soakRow{base, base, base, end, end, end}, soakPlan{baseline: 2, tolerance: 0.05, spare: 1}), "; ")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q in it", got, tt.want)
			}
		})
	}
}

// One period that is out of the ordinary is no drift; three are.
func TestDriftOfMemoryIsOfSeveralPeriods(t *testing.T) {
	row := func(mib int64) soakRow {
		v := kit.Vitals{FDs: 1, Threads: 1, RSS: mib << 20}
		return soakRow{agent: v, server: v}
	}
	tests := []struct {
		name string
		mib  []int64
		want int // figures
	}{
		{"steady", []int64{90, 100, 101, 99, 100, 101}, 0},
		{"an outlier at the baseline", []int64{100, 130, 101, 99, 100, 101}, 0},
		{"an outlier at the end", []int64{90, 100, 101, 99, 100, 130}, 0},
		{"growth", []int64{90, 100, 101, 120, 130, 140}, 2},
		{"shrinking", []int64{90, 100, 101, 80, 80, 80}, 2},
	}
	for _, tt := range tests {
		var rows []soakRow
		for _, mib := range tt.mib {
			rows = append(rows, row(mib))
		}
		if got := drift(rows, soakPlan{baseline: 2, tolerance: 0.05, spare: 1}); len(got) != tt.want {
			t.Errorf("%s: got %q, want %d figures", tt.name, got, tt.want)
		}
	}
}

func TestSoakPlan(t *testing.T) {
	tests := []struct {
		length            time.Duration
		period            time.Duration
		periods, baseline int
	}{
		{30 * time.Minute, time.Minute, 30, 10},
		{time.Hour, time.Minute, 60, 10},
		{6 * time.Minute, time.Minute, 6, 2},
		{12 * time.Second, 2 * time.Second, 6, 2},
	}
	for _, tt := range tests {
		p := planSoak(tt.length, 0)
		if p.period != tt.period || p.periods != tt.periods || p.baseline != tt.baseline {
			t.Errorf("%v: got %d periods of %v, baseline %d, want %d of %v, %d", tt.length, p.periods, p.period, p.baseline, tt.periods, tt.period, tt.baseline)
		}
	}
}

func TestCountGoroutines(t *testing.T) {
	const stacks = "INFO ready\nSIGABRT: abort\nPC=0x1\n\ngoroutine 0 gp=0x1 [idle]:\nruntime.futex\n\n" +
		"goroutine 1 gp=0x2 [syscall]:\nmain.main()\n\ngoroutine 2 gp=0x3 [force gc (idle)]:\nruntime.gopark\n" +
		"created by runtime.init.7 in goroutine 1\n\ngoroutine 9 gp=0x4 [select]:\nx.f()\ncreated by x.New in goroutine 1\n\nrax 0x0\n"
	if got := countGoroutines(stacks); got != 2 {
		t.Errorf("got %d, want 2", got)
	}
}
