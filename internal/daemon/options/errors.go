package options

import (
	"errors"
	"strings"
	"unicode"
)

var (
	// ErrHelp is returned by Parse when the line asks for help.
	ErrHelp = errors.New("help was asked for")
	// ErrVersion is returned by Parse when -version is given, on a line that is otherwise right.
	ErrVersion = errors.New("the version was asked for")
)

// UsageError says what is wrong with a command line. Parse returns one; a tool makes one where flags contradict each
// other, or one that is required is missing.
type UsageError struct {
	Flag   string // the flag's name without hyphens, or "" when no flag is to blame
	Value  string // what was given, if anything
	Reason string // why that is wrong, quoting Value where this helps
	cause  error  // what the flag's own check returned, or nil
}

// Error returns one line: -retry: "5x" is not a whole number of milliseconds from 1 to 3600000. Control characters
// that come from the command line are replaced, so that the line stays one.
func (e *UsageError) Error() string {
	if e.Flag == "" {
		return oneLine(e.Reason)
	}
	return oneLine("-" + e.Flag + ": " + e.Reason)
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
