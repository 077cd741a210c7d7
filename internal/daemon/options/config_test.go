package options

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// configurable is sample with a list, and a file.
func configurable() (*Set, *config, *[]string) {
	s, c := sample()
	hosts := new([]string)
	s.List("host", "name", "localhost", "A host; may be given several times.", func(texts []string) error {
		if last := len(texts) - 1; slices.Contains(texts[:last], texts[last]) {
			return fmt.Errorf("%q is given twice", texts[last])
		}
		*hosts = texts
		return nil
	})
	s.Config(new(string), "Read flags from this file.")
	return s, c, hosts
}

// parseConfig parses a line with a file of that content.
func parseConfig(t *testing.T, s *Set, content, line string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.conf")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Parse(append([]string{"-config", path}, strings.Fields(line)...))
	var usage *UsageError
	if errors.As(err, &usage) {
		usage.Place, usage.Reason = strings.ReplaceAll(usage.Place, path, "f.conf"), strings.ReplaceAll(usage.Reason, path, "f.conf")
	}
	return err
}

func TestConfig(t *testing.T) {
	tests := []struct {
		name, content, line string
		change              func(c *config)
		hosts               string
	}{
		{"nothing", "", "", func(*config) {}, "localhost"},
		{"comments and empty lines", "# a\n\n \t\n  #user b\n", "", func(*config) {}, "localhost"},
		{"values", "user nobody\nretry 7\nsessions 64", "", func(c *config) { c.user, c.retry, c.sessions = "nobody", 7*time.Millisecond, 64 }, "localhost"},
		{"spaces around", " \tuser \t nobody at all \r\n", "", func(c *config) { c.user = "nobody at all" }, "localhost"},
		{"no comment behind a value", "user a # b", "", func(c *config) { c.user = "a # b" }, "localhost"},
		{"a value like a flag", "user -daemon", "", func(c *config) { c.user = "-daemon" }, "localhost"},
		{"bool alone", "daemon\nkillable true", "", func(c *config) { c.daemon, c.killable = true, true }, "localhost"},
		{"bool false", "daemon false", "", func(*config) {}, "localhost"},
		{"alias", "connect IP:h:1", "", func(c *config) { c.server = "IP:h:1" }, "localhost"},
		{"the line wins", "user a\nretry 7", "-user b", func(c *config) { c.user, c.retry = "b", 7*time.Millisecond }, "localhost"},
		{"the line wins with a default", "sessions 64", "-sessions 100000", func(*config) {}, "localhost"},
		{"the line wins by another name", "connect a", "-server b", func(c *config) { c.server = "b" }, "localhost"},
		{"the line switches off", "daemon", "-daemon=false", func(*config) {}, "localhost"},
		{"a list", "host a\nhost b", "", func(*config) {}, "a b"},
		{"the line replaces a list", "host a\nhost b", "-host b -host c", func(*config) {}, "b c"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, got, hosts := configurable()
			*hosts = []string{"localhost"}
			if err := parseConfig(t, s, test.content, test.line); err != nil {
				t.Fatalf("got %v, want no error", err)
			}
			want := defaults()
			test.change(&want)
			if *got != want || strings.Join(*hosts, " ") != test.hosts {
				t.Errorf("got %+v and %q, want %+v and %q", *got, *hosts, want, test.hosts)
			}
		})
	}
}

func TestConfigErrors(t *testing.T) {
	tests := []struct {
		name, content, line string
		flag, want          string
	}{
		{"unknown", "\nbogus 5", "", "bogus", `f.conf:2: -bogus: there is no such flag, see dc_sample -help`},
		{"unknown, help", "help", "", "help", `f.conf:1: -help: there is no such flag, see dc_sample -help`},
		{"a hyphen", "-user a", "", "", `f.conf:1: "-user": in a file, write user without a hyphen`},
		{"an equals sign", "user=a", "", "", `f.conf:1: "user=a": in a file, write user with a space in place of =`},
		{"no value", "# c\nretry", "", "retry", `f.conf:2: -retry: needs a value: retry msecs`},
		{"bad value", "retry 5x", "", "retry", `f.conf:1: -retry: "5x" is not a whole number of milliseconds from 1 to 3600000`},
		{"bad value that the line replaces", "retry 5x", "-retry 5", "retry",
			`f.conf:1: -retry: "5x" is not a whole number of milliseconds from 1 to 3600000`},
		{"bad bool", "daemon yes", "", "daemon", `f.conf:1: -daemon: "yes" is neither true nor false`},
		{"twice", "user a\n\nuser b", "", "user", `f.conf:3: -user: is given twice, first at f.conf:1`},
		{"aliases", "server a\nconnect b", "", "connect", `f.conf:2: -connect: is the same flag as -server, which is given too, first at f.conf:1`},
		{"a list with a mistake", "host a\nhost a", "", "host", `f.conf:2: -host: "a" is given twice`},
		{"a file in a file", "config other", "", "config", `f.conf:1: -config: may be on the command line alone, not in a file`},
		{"version", "version", "", "version", `f.conf:1: -version: may be on the command line alone, not in a file`},
		{"no text", "user a\x00b", "", "", `f.conf:1: the line has control characters: is this a file of flags?`},
		{"the line is wrong, too", "bogus", "-retry x", "retry", `-retry: "x" is not a whole number of milliseconds from 1 to 3600000`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _, _ := configurable()
			err := parseConfig(t, s, test.content, test.line)
			var usage *UsageError
			if !errors.As(err, &usage) {
				t.Fatalf("got %v, want a *UsageError", err)
			}
			if usage.Flag != test.flag || usage.Error() != test.want {
				t.Errorf("got flag %q and line\n%s\nwant flag %q and line\n%s", usage.Flag, usage, test.flag, test.want)
			}
		})
	}
}

func TestConfigFilesThatAreRefused(t *testing.T) {
	directory := t.TempDir()
	fifo, large := filepath.Join(directory, "fifo"), filepath.Join(directory, "large")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(large, make([]byte, maxConfig+1), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		directory:                "it is not a regular file",
		fifo:                     "it is not a regular file",
		large:                    "it is too large: 1048577 bytes; at most 1048576 are accepted",
		directory + "/missing":   "no such file or directory",
		large + "/not/directory": "not a directory",
	} {
		s, _, _ := configurable()
		err := s.Parse([]string{"-config", path})
		var usage *UsageError
		if want = "-config: " + path + ": " + want; !errors.As(err, &usage) || err.Error() != want {
			t.Errorf("got %v, want the *UsageError %s", err, want)
		}
	}
}

// TestConfigOfHelp: help and the version need no file.
func TestConfigOfHelp(t *testing.T) {
	for flag, want := range map[string]error{"-h": ErrHelp, "-version": ErrVersion} {
		s, _, _ := configurable()
		if err := s.Parse([]string{"-config", "/nowhere", flag}); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", flag, err, want)
		}
	}
}

func TestConfigValues(t *testing.T) {
	s, _, _ := configurable()
	if err := parseConfig(t, s, "user a\nretry 7\nhost a\n\nhost b", "-user b -daemon"); err != nil {
		t.Fatal(err)
	}
	for _, e := range s.entries {
		for n, place := range e.places {
			e.places[n] = place[strings.LastIndex(place, "/")+1:]
		}
	}
	for _, want := range []string{
		"  -user      b (command line)\n", "  -retry     7 (f.conf:2)\n", "  -host      a b (f.conf:3, f.conf:5)\n",
		"  -daemon    true (command line)\n", "  -sessions  100000 (default)\n", "  -server    (not given)\n",
	} {
		if got := s.Values(); !strings.Contains(got, want) {
			t.Errorf("got\n%s\nwant the line\n%s", got, want)
		}
	}
	if !s.Given("retry") || s.Given("sessions") {
		t.Errorf("Given: got %v for a flag of the file and %v for none, want true, false", s.Given("retry"), s.Given("sessions"))
	}
}

// TestLocate: an error about flags that contradict each other names the line that has the flag.
func TestLocate(t *testing.T) {
	s, _, _ := configurable()
	if err := parseConfig(t, s, "retry 7\nhost a\nhost b", "-user b"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ flag, value, end string }{
		{"retry", "", "f.conf:1: -retry: no"}, {"host", "b", "f.conf:3: -host: no"}, {"host", "c", "f.conf:2: -host: no"},
		{"user", "b", "-user: no"}, {"server", "", "-server: no"}, {"", "", "no"},
	} {
		err := s.Locate(&UsageError{Flag: test.flag, Value: test.value, Reason: "no"})
		if got := err.Error(); got[strings.LastIndex(got, "/")+1:] != test.end {
			t.Errorf("got %s, want the end %s", got, test.end)
		}
	}
}

func TestChanged(t *testing.T) {
	before, _, _ := configurable()
	after, _, _ := configurable()
	if err := parseConfig(t, before, "retry 7\nhost a\nuser u", "-sessions 64"); err != nil {
		t.Fatal(err)
	}
	if err := parseConfig(t, after, "# all\nretry 8\nhost a\nhost b\nkillable false\nsessions 65", "-sessions 64"); err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(after.Changed(before.Texts()), " "), "retry user host config"; got != want {
		t.Errorf("got %q, want %q", got, want) // config: the tests' files have different paths
	}
}

// TestExample: the file sets nothing, and its defaults are those of the flags.
func TestExample(t *testing.T) {
	s, _, _ := configurable()
	example := s.Example()
	for _, want := range []string{"\n#listen UNIX:/tmp/scache\n", "\n#server <address>\n", "\n#retry 5000\n", "\n#daemon false\n", "\n#host localhost\n"} {
		if !strings.Contains(example, want) {
			t.Errorf("got\n%s\nwant the line %s", example, want)
		}
	}
	uncommented := strings.NewReplacer("\n# ", "\n# ", "\n#", "\n").Replace(example)
	var set []string
	for line := range strings.Lines(uncommented) {
		if !strings.Contains(line, "<") {
			set = append(set, line)
		}
	}
	for name, content := range map[string]string{"as it is": example, "uncommented": strings.Join(set, "")} {
		s, got, _ := configurable()
		if err := parseConfig(t, s, content, ""); err != nil || *got != defaults() {
			t.Errorf("%s: got %+v, %v, want %+v", name, *got, err, defaults())
		}
	}
}

// TestSecretValuesAreNotShown: neither by -check nor in the error about a second one.
func TestSecretValuesAreNotShown(t *testing.T) {
	var p string
	s := New("tool", "", "")
	s.String(&p, "store", "where", "", "")
	s.Secret("store", func(string) string { return "redis://…" })
	if err := s.Parse([]string{"-store", "redis://:hunter2@a"}); err != nil || p != "redis://:hunter2@a" {
		t.Fatalf("got %q, %v, want the whole value", p, err)
	}
	if text := s.Values(); strings.Contains(text, "hunter2") || !strings.Contains(text, "redis://… (command line)") {
		t.Errorf("got %q, want what may be shown", text)
	}
	if !s.OnLine("store") {
		t.Error("got that the value is not from the command line")
	}
	again := New("tool", "", "")
	again.String(&p, "store", "where", "", "")
	again.Secret("store", func(string) string { return "…" })
	if err := again.Parse([]string{"-store", "hunter1", "-store", "hunter2"}); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("got %v, want an error without the values", err)
	}
}
