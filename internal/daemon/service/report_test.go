package service

import (
	"slices"
	"strings"
	"testing"
)

func TestReports(t *testing.T) {
	long := strings.Repeat("x", reportTextMax+1)
	rows := []struct {
		name     string
		in       string
		warnings []string
		err      string
	}{
		{"ready", report(reportReady, ""), nil, ""},
		{"warnings first", report(reportWarning, "a") + report(reportWarning, "b\nc") + report(reportReady, ""), []string{"a", "b\nc"}, ""},
		{"failed", report(reportFailed, "address in use"), nil, "address in use"},
		{"failed after a warning", report(reportWarning, "a") + report(reportFailed, "b"), []string{"a"}, "b"},
		{"long text is cut", report(reportFailed, long), nil, long[:reportTextMax]},
		{"unprintable text", report(reportFailed, "\x00\xff\""), nil, "\x00\xff\""},
		{"nothing", "", nil, ErrSilent.Error()},
		{"warning only", report(reportWarning, "a"), []string{"a"}, ErrSilent.Error()},
		{"what follows the last one is not read", report(reportReady, "") + "junk\n", nil, ""},
		{"unknown kind", "panic: oops\n", nil, `unknown report "panic: oops" of the daemon`},
		{"no quotes", "ready\n", nil, `report "ready" of the daemon: invalid syntax`},
		{"line too long for anything of ours", strings.Repeat("y", 1<<17), nil, ErrSilent.Error()},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := readReports(strings.NewReader(row.in))
			text := ""
			if got.err != nil {
				text = got.err.Error()
			}
			if text != row.err || !slices.Equal(got.warnings, row.warnings) {
				t.Errorf("got %q, error %q, want %q, error %q", got.warnings, text, row.warnings, row.err)
			}
		})
	}
}

func report(kind, text string) string { return string(appendReport(nil, kind, text)) }

// FuzzReports holds that whatever a child writes ends in one outcome, and what appendReport writes is read back.
func FuzzReports(f *testing.F) {
	f.Add("warning \"a\"\n", "text")
	f.Fuzz(func(t *testing.T, junk, text string) {
		readReports(strings.NewReader(junk)) // must not panic
		got := readReports(strings.NewReader(report(reportFailed, text)))
		if want := text[:min(len(text), reportTextMax)]; got.err == nil || got.err.Error() != want {
			t.Errorf("got %v, want %q", got.err, want)
		}
	})
}
