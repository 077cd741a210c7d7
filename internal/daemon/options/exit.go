package options

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// The exit codes of the tools.
const (
	ExitClean  = 0
	ExitFailed = 1
	ExitUsage  = 2
)

var (
	// ErrHelp is returned by Parse when the line asks for help.
	ErrHelp = errors.New("help was asked for")
	// ErrVersion is returned by Parse when -version is given, on a line that is otherwise right.
	ErrVersion = errors.New("the version was asked for")
)

// UsageError tells what is wrong with a command line. Parse returns one; a tool makes one when flags contradict each
// other or a required flag is missing.
type UsageError struct {
	Flag   string // the flag's name without hyphens, or "" when it is none in particular
	Value  string // what was given, if anything
	Reason string // why that is wrong, quoting Value where this helps
	Place  string // file:line, or "" for the command line
	cause  error  // what the flag's own check returned, or nil
}

// Error returns one line: -retry: "5x" is not a whole number of milliseconds from 1 to 3600000. One about a line of a file
// begins with that: dc_client.conf:12: -retry: … Control characters are replaced, so that it stays one line.
func (e *UsageError) Error() string {
	text := e.Reason
	if e.Flag != "" {
		text = "-" + e.Flag + ": " + text
	}
	if e.Place != "" {
		text = e.Place + ": " + text
	}
	return oneLine(text)
}

// RelativePath is the error of a flag with a path that depends on the working directory, which -daemon changes.
func RelativePath(flag, path string) *UsageError {
	return &UsageError{Flag: flag, Value: path,
		Reason: path + " is a relative path, but -daemon changes the working directory to /: give an absolute path"}
}

// Unwrap returns the error of the flag's own check (see Set.Func), or nil.
func (e *UsageError) Unwrap() error { return e.cause }

func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// Exit turns an error, of Parse or of the tool itself, into output and an exit code. done is false if err is nil:
//
//	nil           nothing is printed, and the program goes on
//	ErrHelp       the usage text on stdout, ExitClean
//	ErrVersion    the version on stdout, ExitClean
//	*UsageError   one line on stderr, ExitUsage
//	any other     one line on stderr, ExitFailed
//
// When stdout does not take the text, Exit says so on stderr and the code is ExitFailed.
func (s *Set) Exit(err error, stdout, stderr io.Writer) (code int, done bool) {
	var usage *UsageError
	s.Locate(err)
	switch {
	case err == nil:
		return ExitClean, false
	case errors.Is(err, ErrHelp):
		return s.print(s.Usage(), stdout, stderr), true
	case errors.Is(err, ErrVersion):
		return s.print(s.version+"\n", stdout, stderr), true
	case errors.As(err, &usage):
		s.complain(stderr, err)
		return ExitUsage, true
	}
	s.complain(stderr, err)
	return ExitFailed, true
}

func (s *Set) print(text string, stdout, stderr io.Writer) int {
	if _, err := io.WriteString(stdout, text); err != nil {
		s.complain(stderr, fmt.Errorf("standard output: %w", err))
		return ExitFailed
	}
	return ExitClean
}

// complain ignores that stderr may be closed: there is no other place to report that.
func (s *Set) complain(stderr io.Writer, err error) {
	_, _ = fmt.Fprintf(stderr, "%s: %s\n", s.program, oneLine(err.Error()))
}
