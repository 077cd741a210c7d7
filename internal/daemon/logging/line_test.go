package logging

import (
	"context"
	"errors"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// lineOf returns the line that a record becomes.
func lineOf(y layout, r slog.Record) string {
	q := &queue{lines: make(chan line, 1)}
	h := &handler{queue: q, level: slog.LevelDebug, layout: y}
	_ = h.Handle(context.Background(), r)
	return string((<-q.lines).text)
}

func TestHead(t *testing.T) {
	berlin := time.FixedZone("CEST", 2*60*60)
	noon := time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.UTC)
	rows := []struct {
		name    string
		layout  layout
		at      time.Time
		level   slog.Level
		message string
		want    string
	}{
		{"info", layout{stamped: true}, noon, slog.LevelInfo, "listening", "2026-11-23T12:00:00.123Z INFO listening"},
		{"between levels", layout{stamped: true}, noon, slog.LevelWarn + 1, "m", "2026-11-23T12:00:00.123Z WARN+1 m"},
		{"other zone", layout{stamped: true}, noon.In(berlin), slog.LevelError, "m", "2026-11-23T12:00:00.123Z ERROR m"},
		{"hour that summer time repeats", layout{stamped: true},
			time.Date(2026, 10, 25, 2, 30, 0, 0, berlin), slog.LevelInfo, "m", "2026-10-25T00:30:00.000Z INFO m"},
		{"leap second as clocks step it", layout{stamped: true},
			time.Date(2016, 12, 31, 23, 59, 60, 0, time.UTC), slog.LevelInfo, "m", "2017-01-01T00:00:00.000Z INFO m"},
		{"after 32-bit time", layout{stamped: true}, time.Unix(1<<31, 0), slog.LevelInfo, "m", "2038-01-19T03:14:08.000Z INFO m"},
		{"no time", layout{stamped: true}, time.Time{}, slog.LevelInfo, "m", "INFO m"},
		{"syslog", layout{}, noon, slog.LevelError, "upstream lost", "upstream lost"},
		{"forged line", layout{}, noon, slog.LevelInfo, "a\nERROR b", `"a\nERROR b"`},
		{"terminal control", layout{}, noon, slog.LevelInfo, "a\x1b[2J", `"a\x1b[2J"`},
		{"not UTF-8", layout{}, noon, slog.LevelInfo, "a\xff", `"a\xff"`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := lineOf(row.layout, slog.NewRecord(row.at, row.level, row.message, 0))
			if got != row.want {
				t.Errorf("got %s, want %s", got, row.want)
			}
		})
	}
}

func TestAttrs(t *testing.T) {
	rows := []struct {
		name string
		args []any
		want string
	}{
		{"string", []any{"address", "UNIX:/tmp/scache"}, " address=UNIX:/tmp/scache"},
		{"blank", []any{"k", "a b"}, ` k="a b"`},
		{"equals sign", []any{"k", "a=b"}, ` k="a=b"`},
		{"quote", []any{"k", `a"b`}, ` k="a\"b"`},
		{"newline", []any{"k", "a\nb"}, ` k="a\nb"`},
		{"empty", []any{"k", ""}, ` k=""`},
		{"direction override", []any{"k", "a\u202eb"}, ` k="a\u202eb"`},
		{"key with blank", []any{"a b", 1}, ` "a b"=1`},
		{"numbers", []any{"i", -1, "u", uint64(1 << 63), "f", 0.5}, " i=-1 u=9223372036854775808 f=0.5"},
		{"bool and duration", []any{"b", true, "d", 1500 * time.Millisecond}, " b=true d=1.5s"},
		{"time", []any{"t", time.Unix(1<<31, 0).In(time.FixedZone("CEST", 2*60*60))}, " t=2038-01-19T03:14:08.000Z"},
		{"error", []any{"err", errors.New("no route")}, ` err="no route"`},
		{"stringer", []any{"a", netip.MustParseAddr("::1")}, " a=::1"},
		{"nil", []any{"k", nil}, ` k=<nil>`},
		{"nil error inside", []any{"k", (*panicky)(nil)}, ` k=<nil>`},
		{"group", []any{slog.Group("g", "a", 1, "b", 2)}, " g.a=1 g.b=2"},
		{"empty group", []any{slog.Group("g")}, ""},
		{"nothing suppressed", []any{Suppressed(0)}, ""},
		{"suppressed", []any{Suppressed(3)}, " suppressed=3"},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			r := slog.NewRecord(time.Time{}, slog.LevelInfo, "m", 0)
			r.Add(row.args...)
			if got, want := lineOf(layout{}, r), "m"+row.want; got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

// panicky is an error whose method cannot stand nil.
type panicky struct{ text string }

func (p *panicky) Error() string { return p.text }

func TestCut(t *testing.T) {
	rows := []struct {
		name, in string
		want     int
		tail     string
	}{
		{"fits", strings.Repeat("a", lineMax), lineMax, "aaa"},
		{"one over", strings.Repeat("a", lineMax+1), lineMax, "..."},
		{"within a letter", strings.Repeat("ä", lineMax), lineMax - 1, "ä..."},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			got := string(cut([]byte(row.in)))
			if len(got) != row.want || !strings.HasSuffix(got, row.tail) || !utf8.ValidString(got) {
				t.Errorf("got %d bytes ending in %q, want %d ending in %q", len(got), got[len(got)-6:], row.want, row.tail)
			}
		})
	}
}

// FuzzLine holds that nothing in a record forges a line or reaches a terminal raw.
func FuzzLine(f *testing.F) {
	f.Add("message", "key", "value")
	f.Add(strings.Repeat("x", 2*lineMax), "key", "value")
	f.Add("a\nb", "k\x1b", "\"\x00\xff")
	f.Fuzz(func(t *testing.T, message, key, value string) {
		r := slog.NewRecord(time.Time{}, slog.LevelInfo, message, 0)
		r.Add(slog.String(key, value))
		got := lineOf(layout{}, r)
		if strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) || !utf8.ValidString(got) {
			t.Errorf("got %q, want printable text", got)
		}
		if len(got) > lineMax {
			t.Errorf("length: got %d, want at most %d", len(got), lineMax)
		}
	})
}
