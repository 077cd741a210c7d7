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

// FuzzConfig holds that no file makes the reader panic, and that a mistake is told in one line that names the line of the file.
func FuzzConfig(f *testing.F) {
	for _, seed := range []string{
		"", "user u", "user", "retry 5x", "daemon\ndaemon", "# c\r\n\r\nhost a\r\nhost b", "-user u", "user=u", "config f", "\x00", "host\u00a0a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		s, _, _ := configurable()
		if err := s.Parse([]string{"-user", "line"}); err != nil {
			t.Fatal(err)
		}
		failure := s.applyConfig("f.conf", content)
		if failure == nil {
			if !strings.Contains(s.Values(), "  -user      line (command line)\n") {
				t.Fatalf("%q: got\n%s\nwant the command line to win", content, s.Values())
			}
			return
		}
		if text := failure.Error(); !strings.HasPrefix(text, "f.conf:") || strings.ContainsAny(text, "\n\r") {
			t.Fatalf("%q: got %q, want one line that begins with f.conf:", content, text)
		}
	})
}
