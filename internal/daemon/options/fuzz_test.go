package options

import (
	"errors"
	"strings"
	"testing"
)

// FuzzParse holds that no line makes Parse panic, that a mistake is told in one line, and that help wins.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", "-user\nu", "-user", "-retry=5x", "-daemon\n-daemon", "-user\n-daemon", "---x", "-=", "--", "-", "-user\n-h", "-version",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		args := strings.Split(line, "\n")
		s, _ := sample()
		err := s.Parse(args)
		for _, arg := range args {
			if arg == "-help" && !errors.Is(err, ErrHelp) {
				t.Fatalf("%q: got %v, want %v", args, err, ErrHelp)
			}
		}
		if err == nil || errors.Is(err, ErrHelp) || errors.Is(err, ErrVersion) {
			return
		}
		var usage *UsageError
		if !errors.As(err, &usage) || usage.Error() == "" || strings.ContainsAny(usage.Error(), "\n\r") {
			t.Fatalf("%q: got %T %q, want a *UsageError of one line", args, err, err)
		}
	})
}
