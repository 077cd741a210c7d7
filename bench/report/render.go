package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"distcache/bench/record"
	"distcache/bench/stat"
)

// What the sections of the report say above their figures.
const (
	aboutCPU = "Microseconds per operation, the median of the rounds and (lowest–highest); of a pair, the proxy alone. " +
		"Whiskers in the plots reach from the lowest round to the highest."

	aboutDetails = "Medians. “All processes” is the proxy and its upstream together. Errors are operations without " +
		"service, of all rounds; GCs are garbage collections in a million operations, of a process that has just been " +
		"started: its tables still grow. “Load” is how much of a core the load generator took: near 100 % it is what " +
		"limits op/s and latency, not the target; CPU per operation holds all the same."

	aboutRates = "An open loop of short-lived clients: operations begin when they are due, whatever became of those " +
		"before, and latency counts from then. A target that answers less than 97 % of two rates is not asked for more."

	aboutIdle = "What the resident memory of a proxy grows by, divided by the connections that asked once and stay."

	aboutDoors = "What one GET of a TLS terminator costs, from kept connections, as fast as answers come; of the sessions " +
		"that are there each client has stored four. dc_client is asked in its own protocol, or in memcached's by the keys " +
		"of Apache (-memcached); twemproxy in memcached's. Ratios are of the same round: what -memcached takes over the " +
		"first, and what all processes take over twemproxy and its memcached."

	aboutStores = "One connection with 64 requests under way. SET (ADD, where it is called so) fills the empty store; " +
		"GETs then ask for what is there, or is not, at random. Bytes are what the resident memory grew by from empty."

	aboutCalm = "A full dc_server, 50 connections, at half of the rate that it reached a moment before: three GETs to " +
		"one ADD of a new session, for which another one has to go."

	aboutSteady = "Many short-lived clients over dc_client and dc_server, until the operations are done. The largest " +
		"count of the rounds."

	aboutWrong = "These rounds are in no figure above."

	aboutSummary = "CPU of the proxy in microseconds per operation, and its ratio to that of the floor, a bare epoll answerer (the " +
		"median of the ratios of each round). dc_client alone stands before a stub that stores nothing; goroutine and gnet.Run are " +
		"proxies written for comparison:\n\n"
)

// reportName is the file of the report; that on growth has another.
const reportName = "report.md"

// file is one that the report consists of.
type file struct {
	name    string
	content []byte
}

// render makes the report and its plots, without reading or writing anything. results is the path of the run's file, out
// the directory where the report will be.
func render(run *record.Run, results, out string) ([]file, error) {
	f := newFigures(run)
	var files []file
	shown := map[string]string{}
	for _, p := range pictures(f) {
		svg, err := p.svg()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.name, err)
		}
		files = append(files, file{filepath.Join(plotDirectory, p.name), svg})
		shown[p.name] = fmt.Sprintf("![%s](%s/%s)\n\n", p.about, plotDirectory, p.name)
	}
	w := writer{figures: f, plots: shown}
	name := reportName
	if run.Form == record.Growth {
		name = growthName
	}
	return append(files, file{name, []byte(w.report(relative(out, results)))}), nil
}

// relative is the path of a file as seen from a directory.
func relative(directory, path string) string {
	if r, err := filepath.Rel(directory, path); err == nil {
		return filepath.ToSlash(r)
	}
	return path
}

// writer writes the report. plots has the Markdown of each plot that there is.
type writer struct {
	figures *figures
	plots   map[string]string
	strings.Builder
}

func (w *writer) section(title, text string, parts ...string) {
	fmt.Fprintf(w, "## %s\n\n", title)
	if text != "" {
		fmt.Fprintf(w, "%s\n\n", text)
	}
	for _, p := range parts {
		w.WriteString(p)
	}
}

func (w *writer) report(results string) string {
	w.head(results)
	for _, part := range []struct {
		experiment string
		write      func()
	}{
		{record.Proxy, w.proxies}, {record.Rate, w.rates}, {record.Idle, w.idle}, {record.Doors, w.doors}, {record.Store, w.stores}, {record.Calm, w.calm},
		{record.Steady, w.steady}, {record.Growth, w.growth},
	} {
		if len(w.figures.targets(part.experiment)) > 0 {
			part.write()
		}
	}
	w.wrong()
	return strings.TrimRight(w.String(), "\n") + "\n"
}

func (w *writer) proxies() {
	f := w.figures
	w.section("Processor time of the proxy", aboutCPU,
		w.plots[plotShort], cpuTable(f, false).String(), "\n", w.plots[plotKept], cpuTable(f, true).String(), "\n",
		"The same, divided by the floor's of the same round:\n\n",
		floorTable(f, false).String(), "\n", floorTable(f, true).String(), "\n")
	if text := claim(f); text != "" {
		w.section("Beside twemproxy", strings.TrimRight(text, "\n"))
	}
	w.section("All figures of the proxies", aboutDetails, details(f))
}

func (w *writer) rates() {
	w.section("Latency against rate", aboutRates, w.plots[plotLatency], rateTable(w.figures).String(), "\n")
}

func (w *writer) idle() {
	w.section("Idle connections", aboutIdle, idleTable(w.figures).String(), "\n")
}

func (w *writer) doors() {
	w.section("Doors", aboutDoors, doorTable(w.figures).String(), "\n")
}

func (w *writer) steady() {
	w.section("Garbage collections", aboutSteady, collectionTable(w.figures).String(), "\n")
}

func (w *writer) stores() {
	w.section("Stores", aboutStores, w.plots[plotStore], w.plots[plotMemory], storeTable(w.figures).String(), "\n")
}

func (w *writer) calm() {
	w.section("dc_server at half load", aboutCalm, calmTable(w.figures).String(), "\n")
}

// head says what was measured, where, and with what.
func (w *writer) head(results string) {
	r := w.figures.run
	title, made := "Benchmark report", "make bench-report"
	if r.Form == record.Growth {
		title, made = "How the cost of dc_client grows", "make bench-growth"
	}
	fmt.Fprintf(w, "# %s\n\nMade by `%s` from [%s](%s); do not edit.\n\n", title, made, filepath.Base(results), results)
	add := func(name, text string) { fmt.Fprintf(w, "- **%s**: %s\n", name, text) }
	add("form", fmt.Sprintf("%s: %s, %g s each after %g s of warm-up, interleaved; %.0f s in all",
		r.Form, plural(r.Rounds, "round"), r.Duration, r.Warmup, r.Took))
	add("date", r.Started.UTC().Format("2006-01-02 15:04 UTC"))
	add("revision", r.Revision)
	add("command", "`"+strings.Join(r.Command, " ")+"`")
	add("machine", fmt.Sprintf("%s, %s, %d GiB", r.Machine.CPU, plural(r.Machine.Cores, "core"), (r.Machine.Memory+1<<29)>>30))
	add("kernel", fmt.Sprintf("%s; somaxconn %s, hard limit of descriptors %s",
		r.Machine.Kernel, r.Machine.Backlog, count(int(r.Machine.Descriptors))))
	add("versions", versions(r))
	add("load", r.Load)
	add("accounting", r.Accounting)
	add("load generator", generator(w.figures))
	add("rest of the machine", rest(w.figures))
	fmt.Fprintln(w)
	w.leftOut()
}

func versions(r *record.Run) string {
	var all []string
	for _, v := range r.Versions {
		all = append(all, v.Name+" "+v.Version)
	}
	return strings.Join(all, ", ")
}

// leftOut lists what was not measured, and what was.
func (w *writer) leftOut() {
	r := w.figures.run
	if len(r.Skipped) > 0 {
		fmt.Fprintf(w, "**Left out:**\n\n")
		for _, s := range r.Skipped {
			fmt.Fprintf(w, "- %s: %s\n", s.What, s.Why)
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintf(w, "**Targets:**\n\n")
	for _, t := range r.Targets {
		fmt.Fprintf(w, "- **%s**: %s\n", t.Name, t.About)
	}
	fmt.Fprintln(w)
}

// wrong lists the samples that could not be used.
func (w *writer) wrong() {
	var lines []string
	for i := range w.figures.run.Samples {
		s := &w.figures.run.Samples[i]
		if s.Error == "" {
			continue
		}
		line := fmt.Sprintf("- %s, round %d of %s: %s\n", s.Target, s.Round, where(s), s.Error)
		if !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	if len(lines) > 0 {
		w.section("What went wrong", aboutWrong, lines...)
	}
}

// where names a sample's cell.
func where(s *record.Sample) string {
	switch s.Experiment {
	case record.Proxy, record.Rate, record.Growth:
		if s.Rate > 0 {
			return fmt.Sprintf("%s operations a second", number(s.Rate))
		}
		return fmt.Sprintf("%s %s", plural(s.Clients, "client"), style(s.KeepAlive))
	case record.Doors:
		return fmt.Sprintf("%s of %s", s.Op, plural(s.Clients, "client"))
	case record.Idle:
		return fmt.Sprintf("%s idle", plural(s.Clients, "connection"))
	}
	return strings.TrimSpace(fmt.Sprintf("%s with %s sessions %s", s.Experiment, count(s.Sessions), s.Op))
}

// generator says what the load generator itself took.
func generator(f *figures) string {
	var share, cost []float64
	for _, s := range saturating(f) {
		share = append(share, loadShare(s))
		cost = append(cost, s.LoadCPU*1e6/float64(s.Operations))
	}
	a, b := stat.Of(share), stat.Of(cost)
	if a.N == 0 {
		return absent
	}
	return fmt.Sprintf("one thread, in the median %.0f %% of a core and %s us per operation (proxies); at most %.0f %%",
		a.Median, number(b.Median), a.High)
}

// rest says how busy the machine was with other things.
func rest(f *figures) string {
	var others, steal []float64
	for _, s := range saturating(f) {
		all := s.Elapsed * float64(max(1, f.run.Machine.Cores))
		others = append(others, 100*s.OthersCPU/all)
		steal = append(steal, 100*s.Steal/all)
	}
	a, b := stat.Of(others), stat.Of(steal)
	if a.N == 0 {
		return absent
	}
	return fmt.Sprintf("other processes took %.0f %% of the machine in the median, at most %.0f %%; "+
		"stolen by the hypervisor: %.0f %%, at most %.0f %%",
		a.Median, a.High, b.Median, b.High)
}

// saturating are the usable samples of the proxies that were asked as fast as answers came.
func saturating(f *figures) []*record.Sample {
	var all []*record.Sample
	for i := range f.run.Samples {
		s := &f.run.Samples[i]
		proxied := s.Experiment == record.Proxy || s.Experiment == record.Growth && s.Rate == 0
		if proxied && s.Usable() && s.Elapsed > 0 {
			all = append(all, s)
		}
	}
	return all
}
