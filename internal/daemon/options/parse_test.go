package options

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

// config holds the flags of the sample tool.
type config struct {
	listen, user, server string
	daemon, killable     bool
	sessions             int
	retry, idle          time.Duration
}

var errOdd = errors.New("is not even")

// sample declares a tool that has one flag of each sort.
func sample() (*Set, *config) {
	c := &config{}
	s := New("dc_sample", "-server address [options]", "Passes requests on to one server, over one connection that it keeps.")
	s.Func("listen", "address", "UNIX:/tmp/scache", "Accept clients at this address.", func(text string) error {
		if len(text)%2 != 0 {
			return fmt.Errorf("%q %w", text, errOdd)
		}
		c.listen = text
		return nil
	})
	s.String(&c.server, "server", "address", "", "The server to pass requests on to.")
	s.Alias("connect", "server")
	s.Millis(&c.retry, "retry", 5*time.Second, time.Millisecond, time.Hour, "Time between two attempts to connect.")
	s.Millis(&c.idle, "idle", 0, 0, time.Hour, "Drop a client that is idle for so long; 0 is never.")
	s.Int(&c.sessions, "sessions", "count", 100000, 64, 1<<30, "Sessions to hold.")
	s.String(&c.user, "user", "name", "", "Run as this user.")
	s.Bool(&c.daemon, "daemon", "Detach and run in the background.")
	s.Bool(&c.killable, "killable", "End on SIGUSR1 and SIGUSR2.")
	s.Version("dc_sample 1.0")
	return s, c
}

// defaults is the config of an empty command line.
func defaults() config {
	return config{listen: "UNIX:/tmp/scache", sessions: 100000, retry: 5 * time.Second}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, line string
		change     func(c *config)
	}{
		{"nothing", "", func(*config) {}},
		{"one hyphen", "-user nobody", func(c *config) { c.user = "nobody" }},
		{"one hyphen, equals", "-user=nobody", func(c *config) { c.user = "nobody" }},
		{"two hyphens", "--user nobody", func(c *config) { c.user = "nobody" }},
		{"two hyphens, equals", "--user=nobody", func(c *config) { c.user = "nobody" }},
		{"value with equals", "-user=a=b", func(c *config) { c.user = "a=b" }},
		{"value with a hyphen", "-user -x", func(c *config) { c.user = "-x" }},
		{"value that is a flag, with equals", "-user=-daemon", func(c *config) { c.user = "-daemon" }},
		{"alias", "-connect IP:h:1", func(c *config) { c.server = "IP:h:1" }},
		{"bool", "-daemon", func(c *config) { c.daemon = true }},
		{"bool true", "--daemon=true", func(c *config) { c.daemon = true }},
		{"bool false", "-daemon=false", func(*config) {}},
		{"bool before another flag", "-daemon -user u", func(c *config) { c.daemon, c.user = true, "u" }},
		{"func", "-listen 1234", func(c *config) { c.listen = "1234" }},
		{"lowest milliseconds", "-retry 1", func(c *config) { c.retry = time.Millisecond }},
		{"highest milliseconds", "-retry 3600000", func(c *config) { c.retry = time.Hour }},
		{"no milliseconds", "-retry 7 -idle 0", func(c *config) { c.retry = 7 * time.Millisecond }},
		{"lowest number", "-sessions 64", func(c *config) { c.sessions = 64 }},
		{"highest number", "-sessions 1073741824", func(c *config) { c.sessions = 1 << 30 }},
		{"zeros before", "-sessions 000064", func(c *config) { c.sessions = 64 }},
		{"end of flags", "-daemon --", func(c *config) { c.daemon = true }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, got := sample()
			if err := s.Parse(strings.Fields(test.line)); err != nil {
				t.Fatalf("%s: got %v, want no error", test.line, err)
			}
			want := defaults()
			test.change(&want)
			if *got != want {
				t.Errorf("%s: got %+v, want %+v", test.line, *got, want)
			}
		})
	}
}

func TestUsageErrors(t *testing.T) {
	tests := []struct {
		name string
		args []string
		flag string
		line string // what Error returns
	}{
		{"unknown", []string{"-bogus"}, "bogus", `-bogus: there is no such flag, see dc_sample -help`},
		{"unknown with value", []string{"--bogus=5"}, "bogus", `-bogus: there is no such flag, see dc_sample -help`},
		{"unknown after others", []string{"-daemon", "-user", "bogus", "-bogus"}, "bogus",
			`-bogus: there is no such flag, see dc_sample -help`},
		{"unknown in capitals", []string{"-Daemon"}, "Daemon", `-Daemon: there is no such flag, see dc_sample -help`},
		{"unknown with a newline", []string{"-a\nb"}, "a\nb", `-a b: there is no such flag, see dc_sample -help`},
		{"three hyphens", []string{"-daemon", "---user"}, "", `"---user" is not a flag, see dc_sample -help`},
		{"three hyphens after a value like a flag", []string{"-user", "-x", "---x"}, "",
			`"---x" is not a flag, see dc_sample -help`},
		{"no name", []string{"-=5"}, "", `"-=5" is not a flag, see dc_sample -help`},
		{"missing argument", []string{"-daemon", "-retry"}, "retry", `-retry: needs an argument: -retry msecs`},
		{"missing argument of an alias", []string{"--connect"}, "connect", `-connect: needs an argument: -connect address`},
		{"missing argument before a flag", []string{"-user", "-daemon"}, "user",
			`-user: needs an argument, and "-daemon" is a flag (if it is meant, write -user=-daemon)`},
		{"missing argument before a flag with value", []string{"-user", "--retry=5"}, "user",
			`-user: needs an argument, and "--retry=5" is a flag (if it is meant, write -user=--retry=5)`},
		{"stray", []string{"-daemon", "now"}, "", `unexpected argument "now", see dc_sample -help`},
		{"stray before flags", []string{"now", "-daemon"}, "", `unexpected argument "now", see dc_sample -help`},
		{"stray after the end of flags", []string{"--", "-daemon"}, "", `unexpected argument "-daemon", see dc_sample -help`},
		{"stray hyphen", []string{"-"}, "", `unexpected argument "-", see dc_sample -help`},
		{"stray empty", []string{""}, "", `unexpected argument "", see dc_sample -help`},
		{"twice", []string{"-user", "a", "-user", "b"}, "user", `-user: is given twice (the second value is "b")`},
		{"twice, equal values", []string{"-retry=5", "--retry", "5"}, "retry", `-retry: is given twice (the second value is "5")`},
		{"bool twice", []string{"-daemon", "-daemon"}, "daemon", `-daemon: is given twice`},
		{"aliases", []string{"-server", "a", "-connect", "b"}, "connect",
			`-connect: is the same flag as -server, which is given too (the second value is "b")`},
		{"aliases, the other way", []string{"-connect", "a", "-server", "b"}, "server",
			`-server: is the same flag as -connect, which is given too (the second value is "b")`},
		{"empty text", []string{"-user", ""}, "user", `-user: "" is empty`},
		{"empty text with equals", []string{"-user="}, "user", `-user: "" is empty`},
		{"bool that is neither", []string{"-daemon=yes"}, "daemon", `-daemon: "yes" is neither true nor false`},
		{"version with argument", []string{"-version=2"}, "version", `-version: "2": it takes no argument`},
		{"func", []string{"-listen", "odd"}, "listen", `-listen: "odd" is not even`},
		{"value with a newline", []string{"-retry", "5\n6"}, "retry",
			`-retry: "5\n6" is not a whole number of milliseconds from 1 to 3600000`},
		{"first of two mistakes", []string{"-retry", "x", "-bogus"}, "retry",
			`-retry: "x" is not a whole number of milliseconds from 1 to 3600000`},
		{"version on a wrong line", []string{"-version", "-bogus"}, "bogus",
			`-bogus: there is no such flag, see dc_sample -help`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := sample()
			err := s.Parse(test.args)
			var usage *UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("%q: got %v, want a *UsageError", test.args, err)
			}
			if usage.Flag != test.flag || usage.Error() != test.line {
				t.Errorf("%q: got flag %q and line\n%s\nwant flag %q and line\n%s", test.args, usage.Flag, usage, test.flag, test.line)
			}
		})
	}
}

func TestBadNumbers(t *testing.T) {
	texts := []string{
		"", "x", "5x", "x5", "+5", " 5", "5 ", "-1", "1e3", "5.0", "0x40", "1_000", "٥", "18446744073709551616",
		"9223372036854775808", "99999999999999999999999999",
	}
	limits := map[string]struct {
		bad    []string
		wanted string
	}{
		"retry":    {[]string{"0", "3600001"}, "is not a whole number of milliseconds from 1 to 3600000"},
		"idle":     {[]string{"3600001"}, "is not a whole number of milliseconds from 0 to 3600000"},
		"sessions": {[]string{"63", "1073741825"}, "is not a whole number from 64 to 1073741824"},
	}
	for name, limit := range limits {
		for _, text := range append(limit.bad, texts...) {
			t.Run(name+"="+text, func(t *testing.T) {
				s, _ := sample()
				err := s.Parse([]string{"-" + name, text})
				var usage *UsageError
				if !errors.As(err, &usage) {
					t.Fatalf("got %v, want a *UsageError", err)
				}
				want := fmt.Sprintf("-%s: %q %s", name, text, limit.wanted)
				if usage.Flag != name || usage.Value != text || usage.Error() != want {
					t.Errorf("got  %+v\nwant flag %s, value %q, line %s", usage, name, text, want)
				}
			})
		}
	}
}

func TestHelpWins(t *testing.T) {
	spellings := []string{"-h", "--h", "-help", "--help", "-?", "--?", "-help=now"}
	lines := map[string][]string{
		"alone":                  {"HELP"},
		"after an unknown flag":  {"-bogus", "HELP"},
		"before an unknown flag": {"HELP", "-bogus"},
		"after a bad value":      {"-retry", "x", "HELP"},
		"as a value":             {"-user", "HELP"},
		"after a stray word":     {"stray", "HELP"},
		"after the end of flags": {"--", "HELP"},
		"with version":           {"-version", "HELP"},
		"after a flag twice":     {"-daemon", "-daemon", "HELP"},
		"beside what is no flag": {"---x", "-=", "HELP"},
	}
	for name, line := range lines {
		for _, spelling := range spellings {
			t.Run(name+" "+spelling, func(t *testing.T) {
				args := strings.Split(strings.ReplaceAll(strings.Join(line, "\n"), "HELP", spelling), "\n")
				s, _ := sample()
				if err := s.Parse(args); !errors.Is(err, ErrHelp) {
					t.Errorf("%q: got %v, want %v", args, err, ErrHelp)
				}
			})
		}
	}
}

func TestNotHelp(t *testing.T) {
	for _, args := range [][]string{{"-user=-h"}, {"-user", "h"}, {"-user", "help"}, {"-user=?"}} {
		s, _ := sample()
		if err := s.Parse(args); err != nil {
			t.Errorf("%q: got %v, want no error", args, err)
		}
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"-version"}, {"--version"}, {"-daemon", "-version"}, {"-version", "-user", "u"}} {
		s, _ := sample()
		if err := s.Parse(args); !errors.Is(err, ErrVersion) {
			t.Errorf("%q: got %v, want %v", args, err, ErrVersion)
		}
	}
	s := New("dc_sample", "", "")
	if err := s.Parse([]string{"-version"}); err == nil || errors.Is(err, ErrVersion) {
		t.Errorf("a tool without a version: got %v, want an unknown flag", err)
	}
}

func TestGiven(t *testing.T) {
	s, _ := sample()
	if err := s.Parse([]string{"-connect", "x", "-daemon=false", "-retry=5000"}); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"connect": true, "server": true, "daemon": true, "retry": true, "listen": false, "user": false, "killable": false,
	} {
		if got := s.Given(name); got != want {
			t.Errorf("Given(%q): got %v, want %v", name, got, want)
		}
	}
}

func TestCauseOfFunc(t *testing.T) {
	s, _ := sample()
	if err := s.Parse([]string{"-listen", "odd"}); !errors.Is(err, errOdd) {
		t.Errorf("got %v, want an error that wraps %v", err, errOdd)
	}
}

// TestMistakesInDeclarations holds that mistakes in a tool's declarations show at once.
func TestMistakesInDeclarations(t *testing.T) {
	refuse := func(string) error { return errOdd }
	tests := map[string]func(s *Set){
		"name twice":           func(s *Set) { s.Bool(new(bool), "daemon", "") },
		"alias of nothing":     func(s *Set) { s.Alias("a", "nothing") },
		"alias that is taken":  func(s *Set) { s.Alias("daemon", "user") },
		"given of nothing":     func(s *Set) { s.Given("nothing") },
		"default that is bad":  func(s *Set) { s.Func("f", "x", "def", "", refuse) },
		"version and own flag": func(s *Set) { s.Bool(new(bool), "version", "") },
	}
	for name, declare := range tests {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("got no panic, want one")
				}
			}()
			s, _ := sample()
			declare(s)
		})
	}
}
