package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"distcache/bench/load/plan"
	"distcache/internal/test/kit"
)

func TestProgressLines(t *testing.T) {
	server, at := serve(t)
	_ = server
	code, _, stderr := tool("-connect", at, "-duration", "1s", "-rate", "200", "-progress", "40")
	lines := strings.Count(stderr, "\n")
	if code == 1 && strings.Contains(stderr, "never started") && !kit.Full() {
		t.Skip("other work left the machine no time for the rate")
	}
	if code != 0 || lines < 1 || lines > 5 {
		t.Errorf("got exit code %d and %d lines, want 0 and a line for each 40 of 200 operations, or for some of them:\n%s", code, lines, stderr)
	}
	if !strings.Contains(stderr, " operations, ") || !strings.Contains(stderr, "/s, 0 failed, ") || !strings.Contains(stderr, " left") {
		t.Errorf("got %q, want the count, the rate, the failures and the time left", stderr)
	}
}

func TestLinesByTime(t *testing.T) {
	var out bytes.Buffer
	c := &config{load: plan.Config{Operations: 1000}}
	l := &lines{config: c, stderr: &out}
	for at := time.Second; at <= 12*time.Second; at += time.Second {
		l.show(look{done: uint64(at / time.Second * 50), rate: 50, elapsed: at})
	}
	want := "dc_test: 250 operations, 50/s, 0 failed, 15s left\ndc_test: 500 operations, 50/s, 0 failed, 10s left\n"
	if out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestRemaining(t *testing.T) {
	tests := map[string]struct {
		config plan.Config
		look   look
		want   string
	}{
		"by time":         {plan.Config{Duration: 10 * time.Second}, look{done: 5, elapsed: 4 * time.Second}, ", 6s left"},
		"by count":        {plan.Config{Operations: 100}, look{done: 25, elapsed: 4 * time.Second}, ", 12s left"},
		"whichever first": {plan.Config{Operations: 100, Duration: 8 * time.Second}, look{done: 25, elapsed: 4 * time.Second}, ", 4s left"},
		"not known":       {plan.Config{Operations: 100}, look{}, ""},
		"over":            {plan.Config{Duration: time.Second}, look{done: 5, elapsed: 4 * time.Second}, ", 0s left"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := config{load: test.config}
			if got := c.remaining(test.look); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

// TestBarOnATerminal runs the tool with a terminal as standard error.
func TestBarOnATerminal(t *testing.T) {
	for name, args := range map[string][]string{
		"of operations": {"-ops", "600", "-rate", "1000"},
		"of time":       {"-duration", "600ms"},
	} {
		t.Run(name, func(t *testing.T) {
			_, at := serve(t)
			ours, theirs := openTerminal(t)
			var seen terminalOutput
			go seen.read(ours)
			var stdout bytes.Buffer
			code := run(append(args, "-connect", at), &stdout, theirs)
			if code != 0 || !strings.Contains(stdout.String(), "p99.9 us") {
				t.Errorf("got exit code %d and %q, want 0 and the table", code, stdout.String())
			}
			kit.Wait(t, patience, "bar", func() bool {
				text := seen.String()
				return strings.Contains(text, "operations, ") && strings.Contains(text, "/s, 0 failed") && strings.Contains(text, "%")
			})
			if text := seen.String(); strings.Contains(text, "\n") {
				t.Errorf("got %q, want one line that is written over and cleared", text)
			}
		})
	}
}

// terminalOutput is what was written to a terminal.
type terminalOutput struct {
	mu   sync.Mutex
	text strings.Builder
}

func (o *terminalOutput) read(f *os.File) {
	b := make([]byte, 4096)
	for {
		n, err := f.Read(b)
		o.mu.Lock()
		o.text.Write(b[:n])
		o.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (o *terminalOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// openTerminal returns the two sides of a new terminal; what is written to the second is read from the first.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no terminals here: %v", err)
	}
	t.Cleanup(func() { _ = ours.Close() })
	connection, err := ours.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number int
	err = connection.Control(func(fd uintptr) {
		if err = unix.IoctlSetPointerInt(int(fd), unix.TIOCSPTLCK, 0); err == nil {
			number, err = unix.IoctlGetInt(int(fd), unix.TIOCGPTN)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = theirs.Close() })
	return ours, theirs
}
