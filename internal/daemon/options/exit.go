package options

import (
	"errors"
	"fmt"
	"io"
)

// The exit codes of the tools.
const (
	ExitClean  = 0
	ExitFailed = 1
	ExitUsage  = 2
)

// Exit turns an error, of Parse or of the tool itself, into output and an exit code. It is done unless err is nil:
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

// complain ignores that stderr may be closed: there is nowhere left to say so.
func (s *Set) complain(stderr io.Writer, err error) {
	_, _ = fmt.Fprintf(stderr, "%s: %s\n", s.program, oneLine(err.Error()))
}
