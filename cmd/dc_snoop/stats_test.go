package main

import (
	"encoding/json"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/test/kit"
)

// traffic asks two ADDs, a GET that is answered late, a HAVE that is not answered and what is
// no request.
func traffic(t *testing.T, up *kit.Upstream, at kit.Endpoint, late time.Duration) {
	t.Helper()
	up.Expect(codec.OpGet, "id").Do(kit.Delay(late))
	up.Expect(codec.OpHave, "id").Do(kit.CloseUnanswered)
	first, second, third := kit.Dial(t, at), kit.Dial(t, at), kit.Dial(t, at)
	third.Answer(kit.Have(5, "x"))
	first.Answer(kit.Add(1, "id", "data", time.Minute))
	first.Answer(kit.Add(2, "id", "data", time.Minute))
	first.Answer(kit.Get(3, "id"))
	first.Send(kit.Have(4, "id"))
	first.ExpectClosed()
	second.Send([]byte("garbage"))
	second.ExpectClosed()
}

func TestStatsAtTheEnd(t *testing.T) {
	t.Parallel()
	// Where the tests themselves run under nohup(1), dc_snoop would inherit that.
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	t.Cleanup(func() { signal.Stop(hangup) })
	for _, end := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(end.String(), func(t *testing.T) {
			t.Parallel()
			up := kit.NewUpstream(t, kit.Unix(t))
			p, at := start(t, up.Endpoint(), "-stats", "-filter", "remove")
			traffic(t, up, at, 0)
			p.Signal(end)
			if code := p.Exit(patience); code != 0 {
				t.Errorf("got exit code %d, want 0", code)
			}
			_, summary, _ := strings.Cut(p.Stdout(), "\n\n")
			wantSummary(t, summary)
		})
	}
}

// wantSummary holds the text of a summary. Times are not looked at.
func wantSummary(t *testing.T, summary string) {
	t.Helper()
	want := [][]string{
		strings.Fields("# s, 3 connections: 0 open, peak 3, 0 without a server"),
		strings.Fields("110 bytes to the server, 63 to the client; 1 directions not distcache; 0 records dropped"),
		strings.Fields("op requests answers unasked p50 us p99 us max us statuses"),
		strings.Fields("ADD 2 2 0 # # # EXISTS 1, OK 1"),
		strings.Fields("GET 1 1 0 # # # HIT 1"),
		strings.Fields("REMOVE 0 0 0 # # #"),
		strings.Fields("HAVE 2 1 0 # # # NOTOK 1"),
	}
	lines := strings.Split(strings.TrimSpace(summary), "\n")
	if len(lines) != len(want) {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(want), summary)
	}
	for i, line := range lines {
		got := strings.Fields(line)
		for j, word := range want[i] {
			if j >= len(got) || word != "#" && got[j] != word {
				t.Errorf("got  %s\nwant %s", line, strings.Join(want[i], " "))
				break
			}
		}
	}
}

func TestStatsAsJSON(t *testing.T) {
	t.Parallel()
	const late = 50 * time.Millisecond
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint(), "-stats", "-json")
	began := time.Now()
	traffic(t, up, at, late)
	stop(t, p)
	lines := strings.Split(strings.TrimSpace(p.Stdout()), "\n")
	var got figures
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatal(err)
	}
	get := got.Ops[codec.OpGet]
	if ms := late.Microseconds(); get.P50 < ms || get.Max < ms || get.Max > time.Since(began).Microseconds() || get.P99 > get.Max {
		t.Errorf("got p50 %d, p99 %d, max %d us of a GET, want %d or more", get.P50, get.P99, get.Max, late.Microseconds())
	}
	if got.Seconds < late.Seconds() || got.Seconds > time.Since(began).Seconds()+patience.Seconds() {
		t.Errorf("got %v s, want the time since the start", got.Seconds)
	}
	want := totals{Connections: 3, MostOpen: 3, Undecodable: 1, ToServer: 110, ToClient: 63}
	if got.Kind != "stats" || got.totals != want || got.Dropped != 0 || get.Statuses["HIT"] != 1 {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestStatsWhenTold: SIGUSR1 prints the figures, with -stats or without, and all goes on.
func TestStatsWhenTold(t *testing.T) {
	t.Parallel()
	up := kit.NewUpstream(t, kit.Unix(t))
	p, at := start(t, up.Endpoint())
	c := kit.Dial(t, at)
	for i, want := range []string{"HAVE            1          1", "HAVE            2          2"} {
		c.Answer(kit.Have(1, "id"))
		p.Signal(syscall.SIGUSR1)
		p.Wait(patience, "summary", func() bool { return strings.Contains(p.Stdout(), want) })
		if !strings.Contains(p.Stdout(), "1 connections: 1 open") {
			t.Errorf("got summary %d without the open connection:\n%s", i, p.Stdout())
		}
	}
	stop(t, p)
	if got := strings.Count(p.Stdout(), "statuses"); got != 2 {
		t.Errorf("got %d summaries, want 2: the one at the end needs -stats", got)
	}
}
