package logging

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"
)

// TestHandlerContract runs the checks that log/slog makes of every handler.
func TestHandlerContract(t *testing.T) {
	var out bytes.Buffer
	l, _ := Open(Config{Stderr: &out, Level: slog.LevelDebug})
	results := func() []map[string]any {
		if !l.Close(5 * time.Second) {
			t.Fatal("the lines were not written within 5 s")
		}
		var parsed []map[string]any
		for text := range strings.Lines(out.String()) {
			parsed = append(parsed, parseLine(text))
		}
		return parsed
	}
	if err := slogtest.TestHandler(l.Handler(), results); err != nil {
		t.Error(err)
	}
}

// parseLine reads the plain lines of slogtest back: words, groups as nested maps.
func parseLine(text string) map[string]any {
	top := map[string]any{}
	words := strings.Fields(text)
	if _, err := time.Parse(timeForm, words[0]); err == nil {
		top[slog.TimeKey] = words[0]
		words = words[1:]
	}
	top[slog.LevelKey], top[slog.MessageKey] = words[0], words[1]
	for _, word := range words[2:] {
		key, value, _ := strings.Cut(word, "=")
		m := top
		groups := strings.Split(key, ".")
		for _, g := range groups[:len(groups)-1] {
			if m[g] == nil {
				m[g] = map[string]any{}
			}
			m = m[g].(map[string]any)
		}
		m[groups[len(groups)-1]] = value
	}
	return top
}

func TestLevel(t *testing.T) {
	rows := []struct {
		name  string
		level slog.Leveler
		want  string
	}{
		{"default is info", nil, "INFO WARN ERROR"},
		{"debug", slog.LevelDebug, "DEBUG INFO WARN ERROR"},
		{"error", slog.LevelError, "ERROR"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			var out bytes.Buffer
			l, _ := Open(Config{Stderr: &out, Level: row.level})
			l.Debug("m")
			l.Info("m")
			l.Warn("m")
			l.Error("m")
			if !l.Close(5 * time.Second) {
				t.Fatal("the lines were not written within 5 s")
			}
			var levels []string
			for text := range strings.Lines(out.String()) {
				levels = append(levels, strings.Fields(text)[1])
			}
			if got := strings.Join(levels, " "); got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

// TestWithIsIndependent derives two loggers from one, which must not share their attributes.
func TestWithIsIndependent(t *testing.T) {
	var out bytes.Buffer
	l, _ := Open(Config{Stderr: &out})
	base := l.With("a", 1, "b", 2, "c", 3)
	first, second := base.With("d", 4), base.With("e", 5)
	first.Info("m")
	second.Info("m")
	if !l.Close(5 * time.Second) {
		t.Fatal("the lines were not written within 5 s")
	}
	lines := strings.Split(out.String(), "\n")
	for i, want := range []string{" INFO m a=1 b=2 c=3 d=4", " INFO m a=1 b=2 c=3 e=5"} {
		if !strings.HasSuffix(lines[i], want) {
			t.Errorf("line %d: got %q, want it to end in %q", i, lines[i], want)
		}
	}
}
