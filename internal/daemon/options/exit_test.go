package options

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// full is a writer that takes nothing, like /dev/full.
type full struct{}

var errFull = errors.New("no space left on device")

func (full) Write([]byte) (int, error) { return 0, errFull }

func TestExit(t *testing.T) {
	tests := []struct {
		name           string
		err            error
		code           int
		done           bool
		stdout, stderr string
	}{
		{"none", nil, 0, false, "", ""},
		{"help", ErrHelp, 0, true, sampleUsage, ""},
		{"version", ErrVersion, 0, true, "dc_sample 1.0\n", ""},
		{"usage", &UsageError{Flag: "server", Reason: "is required"}, 2, true, "", "dc_sample: -server: is required\n"},
		{"wrapped usage", fmt.Errorf("at start: %w", &UsageError{Reason: "no"}), 2, true, "", "dc_sample: at start: no\n"},
		{"failure", errors.New("socket in use"), 1, true, "", "dc_sample: socket in use\n"},
		{"failure of two lines", errors.New("a\nb"), 1, true, "", "dc_sample: a b\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, _ := sample()
			var stdout, stderr bytes.Buffer
			code, done := s.Exit(test.err, &stdout, &stderr)
			if code != test.code || done != test.done {
				t.Errorf("got code %d, done %v, want %d, %v", code, done, test.code, test.done)
			}
			if stdout.String() != test.stdout || stderr.String() != test.stderr {
				t.Errorf("got stdout %q, stderr %q, want %q, %q", stdout.String(), stderr.String(), test.stdout, test.stderr)
			}
		})
	}
}

func TestExitWhenNothingCanBeWritten(t *testing.T) {
	s, _ := sample()
	var stderr bytes.Buffer
	if code, done := s.Exit(ErrHelp, full{}, &stderr); code != 1 || !done {
		t.Errorf("got code %d, done %v, want 1, true", code, done)
	}
	want := "dc_sample: standard output: no space left on device\n"
	if stderr.String() != want {
		t.Errorf("got stderr %q, want %q", stderr.String(), want)
	}
	if code, _ := s.Exit(&UsageError{Reason: "no"}, full{}, full{}); code != 2 {
		t.Errorf("stderr full: got code %d, want 2", code)
	}
}
