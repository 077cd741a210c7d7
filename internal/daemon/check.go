package daemon

import (
	"fmt"
	"io"

	"distcache/internal/daemon/listen"
	"distcache/internal/daemon/options"
	"distcache/internal/daemon/service"
)

// Checker is an App that can tell, beside what all daemons have, whether it would start.
type Checker interface {
	// Check changes nothing that outlives the process.
	Check() error
}

// Check is -check: it finds what would keep the daemon from starting, but for what only
// the attempt can tell, without binding, removing, writing or forking. It prints the
// values in force to stdout and warnings to stderr, and returns the exit code: 0, or 2
// when a start would fail, with the reason on stderr.
func Check(c Config, s *options.Set, newApp func() App, stdout, stderr io.Writer) int {
	warnings, err := c.judge(newApp())
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", c.Program, err)
		return options.ExitUsage
	}
	for _, w := range warnings {
		fmt.Fprintf(stderr, "%s: warning: %s\n", c.Program, w)
	}
	if _, err := fmt.Fprintf(stdout, "%s: the command line is good\n%s%s", c.Program, s.Values(), c.arithmetic()); err != nil {
		fmt.Fprintf(stderr, "%s: standard output: %v\n", c.Program, err)
		return options.ExitFailed
	}
	return options.ExitClean
}

// judge takes the steps of a start that can be taken without leaving a trace.
func (c *Config) judge(app App) (warnings []string, err error) {
	if c.Flags.User != "" {
		if _, err := service.LookupUser(c.Flags.User); err != nil {
			return nil, err
		}
	}
	if warnings, err = listen.Judge(c.Flags.Listen, c.Flags.Socket); err != nil {
		return nil, err
	}
	if c.Flags.Pidfile != "" {
		warning, err := service.JudgePidfile(c.Flags.Pidfile)
		if err != nil {
			return nil, err
		}
		warnings = append(warnings, warning)
	}
	warning, err := c.fitDescriptors()
	if err != nil {
		return nil, err
	}
	warnings = append(warnings, warning, c.memoryWarning())
	if checker, ok := app.(Checker); ok {
		err = checker.Check()
	}
	return withoutEmpty(warnings), err
}

func withoutEmpty(lines []string) (found []string) {
	for _, line := range lines {
		if line != "" {
			found = append(found, line)
		}
	}
	return found
}
