package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"distcache/bench/record"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run returns 0, 1 after a failure, and 2 for a wrong command line.
func run(args []string, stdout, stderr io.Writer) int {
	o, err := parseOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the harness at once, and the kernel the processes
	if err := bench(ctx, o, stdout, stderr); err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	return 0
}

// bench makes the run that the options describe, and saves it.
func bench(ctx context.Context, o options, stdout, stderr io.Writer) error {
	h, err := newHarness(ctx, o, stderr)
	if err != nil {
		return err
	}
	defer h.close()
	if err := h.runSteps(ctx); err != nil {
		return err
	}
	path := h.output()
	if err := h.record.Save(path); err != nil {
		return err
	}
	fmt.Fprintln(stderr, "bench: results in", path)
	v := o.versus()
	if v == nil {
		return h.wrong()
	}
	v.printComparison(stdout, h.record, o.calm)
	if o.gate > 0 {
		err = v.passGate(stdout, h.record, o.calm, o.gate)
	}
	return errors.Join(h.wrong(), err)
}

// options is the command line.
type options struct {
	quick       bool
	old         string
	gate        float64
	tls         bool
	calm        float64
	bin         string
	out         string
	rounds      int
	only        string
	targets     string
	huge        bool
	clientFlags string
	serverFlags string
	args        []string // as given
}

// parseOptions returns flag.ErrHelp when help was asked for and given.
func parseOptions(args []string, stderr io.Writer) (options, error) {
	o := options{args: args}
	f := flag.NewFlagSet("bench/system", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&o.quick, "quick", false, "fewer cells, shorter measurements, fewer rounds")
	f.StringVar(&o.old, "compare", "", "compare dc_client and dc_server with those of this `directory`, and nothing else")
	f.Float64Var(&o.gate, "gate", 0, "with -compare: fail when the new programs take more than this `ratio` of the old ones' time in a cell")
	f.BoolVar(&o.tls, "tls", false, "compare dc_client and dc_server over TLS with the same over TCP, and nothing else")
	f.Float64Var(&o.calm, "calm", 1, "leave rounds out of a comparison in which others took more than this `part` of the machine")
	f.StringVar(&o.bin, "bin", "", "take the programs from this `directory` instead of building them")
	f.StringVar(&o.out, "o", "", "write the results to this `file` (default bench/results/date-form.json)")
	f.IntVar(&o.rounds, "rounds", 0, "`number` of rounds, at most (default: that of the form)")
	f.StringVar(&o.only, "only", "", "only these experiments: a `list` of "+strings.Join(experiments(), ","))
	f.StringVar(&o.targets, "targets", "", "only these targets: a `list` of names, as the report has them, with commas")
	f.BoolVar(&o.huge, "huge", false, "dc_server with 10,000,000 sessions too, in one round (4 GiB of memory)")
	f.StringVar(&o.clientFlags, "client-flags", "", "more `flags` for dc_client; with -compare for the new one alone")
	f.StringVar(&o.serverFlags, "server-flags", "", "more `flags` for dc_server; with -compare for the new one alone")
	f.Usage = func() {
		fmt.Fprintln(stderr, "usage: go run ./bench/system [options]    measures, and writes bench/results")
		f.PrintDefaults()
	}
	if err := f.Parse(args); err != nil {
		return o, err
	}
	return o, o.validate(f.NArg())
}

func experiments() []string {
	return []string{record.Proxy, record.Rate, record.Idle, record.Doors, record.Store, record.Calm, record.Steady, record.Growth}
}

func targetNames() []string {
	var names []string
	for _, t := range slices.Concat(proxies(builds{}), doors(builds{}), stores(builds{}, 0), growing(builds{})) {
		if !slices.Contains(names, t.name) {
			names = append(names, t.name)
		}
	}
	return names
}

// errUsage is what is wrong with the command line.
var errUsage = errors.New("wrong command line")

func (o *options) validate(rest int) error {
	if rest > 0 {
		return fmt.Errorf("%w: only flags are taken", errUsage)
	}
	if o.tls && o.old != "" {
		return fmt.Errorf("%w: -compare and -tls exclude each other", errUsage)
	}
	if slices.Contains(list(o.only), record.Growth) && (o.only != record.Growth || o.versus() != nil) {
		return fmt.Errorf("%w: -only %s excludes other experiments, -compare and -tls: it has its own rounds and report", errUsage, record.Growth)
	}
	if o.gate != 0 && (o.old == "" || o.gate <= 1) {
		return fmt.Errorf("%w: -gate %v: it wants -compare, and a ratio above 1", errUsage, o.gate)
	}
	if o.rounds < 0 {
		return fmt.Errorf("%w: -rounds %d is negative", errUsage, o.rounds)
	}
	for _, name := range list(o.only) {
		if !slices.Contains(experiments(), name) {
			return fmt.Errorf("%w: -only %s is none of %s", errUsage, name, strings.Join(experiments(), ","))
		}
	}
	for _, name := range list(o.targets) {
		if !slices.Contains(targetNames(), name) {
			return fmt.Errorf("%w: -targets %s is none of %s", errUsage, name, strings.Join(targetNames(), ","))
		}
	}
	return nil
}

// wants reports whether the experiment is to be made.
func (o *options) wants(experiment string) bool {
	return o.only == "" || slices.Contains(list(o.only), experiment)
}

// wantsTarget reports whether the target is to be measured, of whichever build.
func (o *options) wantsTarget(name string) bool {
	return o.targets == "" || slices.Contains(list(o.targets), o.versus().plain(name))
}

// list splits a list with commas.
func list(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ',' })
}
