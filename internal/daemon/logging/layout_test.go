package logging

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestJSONLines(t *testing.T) {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 123_456_789, time.UTC)
	record := slog.NewRecord(noon, slog.LevelWarn, "client \"closed\"\n\x1b[2J", 0)
	record.Add("n", 3, "ok", true, "why", errors.New("a b"), "took", 1500*time.Millisecond, slog.Group("g", "x", "y\u2028"), slog.Attr{})
	got := lineOf(layout{format: JSON, stamped: true}, record)
	want := `{"time":"2026-11-23T12:00:00.123Z","level":"WARN","msg":"client \"closed\"\n\u001b[2J",` +
		`"n":3,"ok":true,"why":"a b","took":"1.5s","g.x":"y\u2028"}`
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestLongJSONLinesStayValid(t *testing.T) {
	for _, long := range []struct{ message, value string }{{"m", strings.Repeat("\x01", lineMax)}, {strings.Repeat("\x01", 2*lineMax), "v"}} {
		record := slog.NewRecord(time.Time{}, slog.LevelInfo, long.message, 0)
		record.Add("k", long.value)
		got := lineOf(layout{format: JSON}, record)
		if !json.Valid([]byte(got)) || len(got) > lineMax || !strings.HasSuffix(got, `"cut":true}`) {
			t.Errorf("got %d bytes, want a valid object of at most %d that says it was cut: %.80s", len(got), lineMax, got)
		}
	}
}

func TestPriorities(t *testing.T) {
	for _, row := range []struct {
		level slog.Level
		want  string
	}{{slog.LevelDebug, "<7>m"}, {slog.LevelInfo, "<6>m"}, {slog.LevelWarn, "<4>m"}, {slog.LevelError, "<3>m"}, {slog.LevelError + 4, "<3>m"}} {
		if got := lineOf(layout{priority: true}, slog.NewRecord(time.Time{}, row.level, "m", 0)); got != row.want {
			t.Errorf("%v: got %q, want %q", row.level, got, row.want)
		}
	}
}

// TestJournalIsKnown: only a stderr that is what JOURNAL_STREAM names goes to the journal.
func TestJournalIsKnown(t *testing.T) {
	stream, err := os.Create(filepath.Join(t.TempDir(), "stream"))
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	var stat syscall.Stat_t
	if err := syscall.Fstat(int(stream.Fd()), &stat); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name, variable string
		want           bool
	}{
		{"connected", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino), true},
		{"another stream", fmt.Sprintf("%d:%d", stat.Dev, stat.Ino+1), false},
		{"not set", "", false},
		{"nonsense", "x", false},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Setenv("JOURNAL_STREAM", row.variable)
			if got := isJournal(stream); got != row.want {
				t.Errorf("got %v, want %v", got, row.want)
			}
			if isJournal(&strings.Builder{}) {
				t.Error("a writer that is no file counts as the journal")
			}
		})
	}
}

func TestRecentLines(t *testing.T) {
	l := start(&grave{}, layout{format: JSON}, nil)
	defer l.Close(time.Second)
	if got := l.Recent(); got != nil {
		t.Errorf("got %v before the first line", got)
	}
	for i := range RecentLines + 2 {
		l.With("loop", 1).Warn(fmt.Sprint("lost dc_server ", i%2), "n", i)
	}
	l.Debug("not logged")
	got := l.Recent()
	if len(got) != RecentLines {
		t.Fatalf("got %d lines, want the last %d", len(got), RecentLines)
	}
	if want := fmt.Sprintf("lost dc_server 1 loop=1 n=%d", RecentLines+1); got[0].Text != want || got[0].Level != slog.LevelWarn {
		t.Errorf("got %+v first, want the newest, %q", got[0], want)
	}
	for range 3 {
		l.Warn("evicted")
	}
	if got := l.Recent(); got[0].Times != 3 || got[1].Times != 1 || len(got) != RecentLines {
		t.Errorf("got %+v, want one line that came 3 times, and the others", got)
	}
	if levels, _ := l.Counts(); levels[slog.LevelWarn] != RecentLines+5 || len(levels) != 1 {
		t.Errorf("got %v lines by level, want %d warnings", levels, RecentLines+5)
	}
}

// grave takes lines and keeps none.
type grave struct{}

func (*grave) write(slog.Level, []byte) error { return nil }
