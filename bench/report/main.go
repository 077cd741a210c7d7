package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"distcache/bench/record"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns 0, 1 after a failure, and 2 for a wrong command line.
func run(args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("bench/report", flag.ContinueOnError)
	f.SetOutput(stderr)
	results := f.String("results", "", "the `file` to report on (default: the newest in bench/results)")
	out := f.String("out", "bench", "the `directory` that report.md and plots/ are written to")
	readme := f.String("readme", "README.md", "the `file` whose block of figures is replaced; \"\" for none")
	grown := f.Bool("growth", false, "report on the newest run of bench/system -only growth, in growth.md")
	switch err := f.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return 2
	}
	forms := []string{record.Full, record.Quick}
	if *grown {
		forms, *readme = []string{record.Growth}, ""
	}
	if err := report(*results, forms, *out, *readme, stdout); err != nil {
		fmt.Fprintln(stderr, "report:", err)
		return 1
	}
	return 0
}

// report reads the results, or the newest of the forms, and writes everything that follows from them.
func report(results string, forms []string, out, readme string, stdout io.Writer) error {
	if results == "" {
		newest, err := record.Newest(filepath.Join("bench", "results"), forms...)
		if err != nil {
			return err
		}
		results = newest
	}
	run, err := record.Load(results)
	if err != nil {
		return err
	}
	files, err := render(run, results, out)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(out, plotDirectory), 0o777); err != nil {
		return err
	}
	for _, f := range files {
		if err := os.WriteFile(filepath.Join(out, f.name), f.content, 0o666); err != nil {
			return err
		}
	}
	fmt.Fprintf(stdout, "%s, from %s\n", filepath.Join(out, files[len(files)-1].name), results)
	if readme == "" {
		return nil
	}
	return updateReadme(readme, summary(newFigures(run), results, out))
}
