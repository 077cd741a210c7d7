package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
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
	if o.old != "" {
		printComparison(stdout, h.record)
	}
	return h.wrong()
}
