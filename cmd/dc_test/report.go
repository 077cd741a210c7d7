package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/HdrHistogram/hdrhistogram-go"

	"distcache/bench/load/plan"
	"distcache/internal/version"
)

// report is the file of -json. It is opened before the run, so that a wrong path is known at once. Its old contents stay
// until the new ones are ready.
type report struct {
	file    *os.File
	address string // of the service
}

// openReport opens the file; with an empty path the report goes nowhere.
func openReport(path, address string) (*report, error) {
	if path == "" {
		return &report{}, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("-json: %w", err)
	}
	return &report{file: file, address: address}, nil
}

// contents is what the file holds.
type contents struct {
	Tool string `json:"tool"`
	*plan.Report
}

func (r *report) write(result *plan.Result) error {
	if r.file == nil {
		return nil
	}
	data, err := result.Report()
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	data.Config.Address = r.address
	text, err := json.MarshalIndent(contents{Tool: version.Text(program), Report: data}, "", "  ")
	if err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	// A pipe or a terminal cannot be cut, and need not be.
	_ = r.file.Truncate(0)
	if _, err := r.file.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return r.close()
}

func (r *report) close() error {
	if r.file == nil {
		return nil
	}
	if err := r.file.Close(); err != nil {
		return fmt.Errorf("-json: %w", err)
	}
	return nil
}

// writeTable writes the settings and the results, for people.
func writeTable(w io.Writer, r *plan.Result) error {
	var b strings.Builder
	writeSetup(&b, r)
	b.WriteString("\n")
	writeRows(&b, r)
	b.WriteString("\n")
	writeRemarks(&b, r)
	_, err := io.WriteString(w, b.String())
	if err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

func writeSetup(b *strings.Builder, r *plan.Result) {
	c := &r.Config
	connections, loop := "a connection per operation", "closed loop"
	if c.KeepAlive {
		connections = fmt.Sprintf("persistent connections, %d requests each", c.Pipeline)
	}
	if c.Rate > 0 {
		loop = fmt.Sprintf("open loop, %.0f operations per second", c.Rate)
	}
	fmt.Fprintf(b, "%v: %d clients, %s, %s, mix %v\n", c.Address, c.Clients, connections, loop, c.Mix)
	fmt.Fprintf(b, "%d sessions for each client, IDs of %d to %d bytes, data of %d to %d, timeout %v ± %v\n",
		c.Sessions, c.IDMin, c.IDMax, c.DataMin, c.DataMax, c.Timeout, c.TimeVar)
	fmt.Fprintf(b, "-seed %d -salt %d\n", c.Seed, c.Salt)
}

func writeRows(b *strings.Builder, r *plan.Result) {
	t := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "operation\tcount\trate/s\thits\tmisses\tlost\terrors\tp50 us\tp90 us\tp99 us\tp99.9 us\tmax us\t")
	var all plan.OpResult
	for op := range r.Operations {
		o := &r.Operations[op]
		all.Hits, all.Misses, all.Lost, all.Failed = all.Hits+o.Hits, all.Misses+o.Misses, all.Lost+o.Lost, all.Failed+o.Failed
		if o.Count() > 0 {
			writeRow(t, o.Op.String(), o, r)
		}
	}
	all.Latency = r.Latency()
	writeRow(t, "all", &all, r)
	_ = t.Flush()
}

func writeRow(t io.Writer, name string, o *plan.OpResult, r *plan.Result) {
	fmt.Fprintf(t, "%s\t%d\t%.0f\t%d\t%d\t%d\t%d\t%s\n",
		name, o.Count(), o.Rate(r.Elapsed), o.Hits, o.Misses, o.Lost, o.Failed, percentiles(o.Latency))
}

func percentiles(h *hdrhistogram.Histogram) string {
	var b strings.Builder
	for _, p := range []float64{50, 90, 99, 99.9, 100} {
		fmt.Fprintf(&b, "%.0f\t", float64(h.ValueAtPercentile(p))/1e3)
	}
	return b.String()
}

func writeRemarks(b *strings.Builder, r *plan.Result) {
	fmt.Fprintf(b, "%.3f s, %d connections; dc_test used %.1f us of CPU time per operation\n",
		r.Elapsed.Seconds(), r.Connections, float64(r.CPUPerOperation().Nanoseconds())/1e3)
	if r.Failed() > 0 {
		b.WriteString("errors:")
		for f, n := range r.Failures {
			if n > 0 {
				fmt.Fprintf(b, " %v %d", plan.Failure(f), n)
			}
		}
		fmt.Fprintf(b, "; their time (p50, p99, maximum): %.0f, %.0f, %.0f us\n", micros(r.FailureLatency, 50),
			micros(r.FailureLatency, 99), micros(r.FailureLatency, 100))
	}
	if r.Config.Rate > 0 {
		fmt.Fprintf(b, "operations started late by (p50, p99, maximum) %.0f, %.0f, %.0f us; their latency includes it\n",
			micros(r.StartDelay, 50), micros(r.StartDelay, 99), micros(r.StartDelay, 100))
	}
	if r.Unstarted > 0 {
		fmt.Fprintf(b, "%d operations were due and never started\n", r.Unstarted)
	}
}

func micros(h *hdrhistogram.Histogram, percentile float64) float64 {
	return float64(h.ValueAtPercentile(percentile)) / 1e3
}
