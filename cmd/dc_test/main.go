// Dc_test drives a distcache service with random operations, checks every answer and measures. Package load is its engine.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"distcache/bench/load"
	"distcache/bench/load/plan"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	var c config
	flags := c.flags()
	err := flags.Parse(args)
	if err == nil {
		err = c.complete(flags)
	}
	if code, done := flags.Exit(err, stdout, stderr); done {
		return code
	}
	relay, err := startRelay(&c, stderr)
	if err == nil {
		do := test
		switch {
		case c.ping:
			do = ping
		case c.stats.Kind != 0:
			do = stats
		case c.hosts != nil:
			do = share
		}
		err = relay.stop(do(&c, stdout, stderr))
	}
	code, _ := flags.Exit(err, stdout, stderr)
	return code
}

// ping is -ping: one request instead of a test.
func ping(c *config, stdout, _ io.Writer) error {
	began := time.Now()
	if err := load.Ping(context.Background(), c.load.Address, c.load.AnswerLimit); err != nil {
		return err
	}
	_, err := fmt.Fprintf(stdout, "%v answers (%d us)\n", c.to, time.Since(began).Microseconds())
	return err
}

// test runs the load and writes the results. It returns nil when every answer was right.
func test(c *config, stdout, stderr io.Writer) error {
	report, err := openReport(c.json, c.to.String())
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	watch := startWatch(c, stderr)
	result, err := load.Run(ctx, c.load)
	watch.stop()
	if result == nil {
		return errors.Join(err, report.close())
	}
	err = verdict(c, result, err, stderr)
	return errors.Join(err, writeTable(stdout, result), report.write(result))
}

// verdict returns the error that makes the run a failure, or nil. It dumps a violation first.
func verdict(c *config, result *plan.Result, err error, stderr io.Writer) error {
	var violation *plan.Violation
	switch {
	case errors.As(err, &violation):
		_ = violation.Dump(stderr)
		return err
	case errors.Is(err, context.Canceled):
		return errors.New("interrupted")
	case err != nil:
		return err
	case c.load.Lossy:
		return nil
	case result.Failed() > 0:
		return fmt.Errorf("%d of %d operations failed (give -lossy if the service may be away for a time)",
			result.Failed(), result.Count())
	case result.Unstarted > 0:
		return fmt.Errorf("%d operations were due and never started: the rate is more than the service reaches with %d clients",
			result.Unstarted, c.load.Clients)
	}
	return nil
}
