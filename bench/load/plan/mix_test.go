package plan

import (
	"errors"
	"strings"
	"testing"
)

func TestParseMix(t *testing.T) {
	tests := map[string]struct {
		text string
		want Mix
	}{
		"equal":     {"1:1:1:1", DefaultMix()},
		"one alone": {"0:7:0:0", Mix{Get: 7}},
		"largest":   {"1000000:0:0:1000000", Mix{Add: 1_000_000, Have: 1_000_000}},
		"TLS 1.2":   {"tls12", Mix{Add: 1, Get: 1, Fresh: true}},
		"TLS 1.3":   {"tls13", Mix{Add: 3, Get: 1, Fresh: true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := ParseMix(test.text)
			if err != nil || got != test.want {
				t.Errorf("got %+v and %v, want %+v", got, err, test.want)
			}
			if got.String() != test.text {
				t.Errorf("got text %q, want %q", got.String(), test.text)
			}
		})
	}
}

func TestParseMixRefuses(t *testing.T) {
	for _, text := range []string{"", "1", "1:1:1", "1:1:1:1:1", "0:0:0:0", "1:1:1:-1", "1:+1:1:1", "1: 1:1:1", "1:1:1:1000001", "tls14", "1:x:1:1", ":::"} {
		t.Run(text, func(t *testing.T) {
			if m, err := ParseMix(text); !errors.Is(err, ErrMix) || !strings.Contains(err.Error(), text) {
				t.Errorf("got %+v and error %v, want one that wraps %v and names the text", m, err, ErrMix)
			}
		})
	}
}
