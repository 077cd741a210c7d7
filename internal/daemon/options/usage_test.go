package options

import (
	"strings"
	"testing"
)

const sampleUsage = `Usage: dc_sample -server address [options]

Passes requests on to one server, over one connection that it keeps.

  -listen address     Accept clients at this address. (default UNIX:/tmp/scache)
  -server, -connect address
                      The server to pass requests on to.
  -retry msecs        Time between two attempts to connect. (1 to 3600000,
                      default 5000)
  -idle msecs         Drop a client that is idle for so long; 0 is never. (0 to
                      3600000, default 0)
  -sessions count     Sessions to hold. (64 to 1073741824, default 100000)
  -user name          Run as this user.
  -daemon             Detach and run in the background.
  -killable           End on SIGUSR1 and SIGUSR2.
  -version            Print the version and exit.
  -h, -help, -?       Print this help and exit, whatever else is given.
`

func TestUsage(t *testing.T) {
	s, _ := sample()
	if got := s.Usage(); got != sampleUsage {
		t.Errorf("got:\n%s\nwant:\n%s", got, sampleUsage)
	}
}

func TestUsageWidth(t *testing.T) {
	s := New("dc_long", "[options]", strings.Repeat("word ", 60))
	for n := 1; n < 30; n++ {
		s.Bool(new(bool), strings.Repeat("f", n), strings.Repeat("help ", n))
	}
	for _, line := range strings.Split(s.Usage(), "\n") {
		if len(line) > 80 || strings.TrimRight(line, " ") != line {
			t.Errorf("got line %q of %d columns, want at most 80 and no space at its end", line, len(line))
		}
	}
}

func TestWrap(t *testing.T) {
	tests := []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"one word", "abc", []string{"abc"}},
		{"fits exactly", "abcd efghi", []string{"abcd efghi"}},
		{"one over", "abcd efghij", []string{"abcd", "efghij"}},
		{"long word", "a abcdefghijkl b", []string{"a", "abcdefghijkl", "b"}},
		{"spaces and newlines", " a \n  b ", []string{"a b"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := wrap(test.text, 10)
			if strings.Join(got, "|") != strings.Join(test.want, "|") || len(got) != len(test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
