package metrics

import (
	"slices"
	"testing"
	"time"

	"distcache/engine/histogram"
)

// counters is what the figures of these tests are read from.
type counters struct {
	hits, misses float64
	took         histogram.Histogram
}

var table = []Figure[counters]{
	{Description: Description{Name: "gets_total", Kind: Counter, Labels: []string{"result"}, Line: "gets"},
		Read: func(c *counters, put func(float64, ...string)) { put(c.hits, "hit"); put(c.misses, "miss") }},
	{Description: Description{Name: "took_seconds", Kind: Durations, Unit: Seconds, Line: "took"},
		Times: func(c *counters) *histogram.Histogram { return &c.took }},
}

// setOf makes a set at a time after the beginning of the test.
func setOf(after time.Duration, all ...*counters) *Set {
	s := NewSet()
	s.at = s.at.Add(after)
	for _, c := range all {
		Collect(s, table, c)
	}
	return s
}

// TestLoopsAreAdded: what several loops tell is one figure.
func TestLoopsAreAdded(t *testing.T) {
	one, two := &counters{hits: 3, misses: 1}, &counters{hits: 4}
	one.took.Observe(time.Millisecond)
	two.took.Observe(time.Second)
	s := setOf(0, one, two)
	if got := s.Total("gets_total"); got != 8 {
		t.Errorf("total: got %v, want 8", got)
	}
	if got := s.Total("gets_total", "hit"); got != 7 {
		t.Errorf("hits: got %v, want 7", got)
	}
	if got := s.Total("nosuch"); got != 0 {
		t.Errorf("a figure that is not there: got %v, want 0", got)
	}
	if got := s.Times("took_seconds").Count(); got != 2 {
		t.Errorf("durations: got %d, want 2", got)
	}
	if one.took.Count() != 1 {
		t.Error("the copy of a loop was changed")
	}
}

func TestSpan(t *testing.T) {
	then, now := &counters{hits: 10, misses: 10}, &counters{hits: 40, misses: 20}
	now.took.ObserveMany(10*time.Millisecond, 100)
	p := Span{Then: setOf(0, then), Now: setOf(10*time.Second, now)}
	if got := p.Rate("gets_total"); got < 3.9 || got > 4.1 {
		t.Errorf("rate: got %v, want about 4", got)
	}
	share, ok := ShareOf("gets_total", []string{"hit"}, []string{"miss"})(p)
	if !ok || share != 0.75 {
		t.Errorf("share: got %v %v, want 0.75", share, ok)
	}
	p50, ok := QuantileOf("took_seconds", 0.5)(p)
	if !ok || p50 < 0.01 || p50 > 0.011 {
		t.Errorf("median: got %v %v, want 10 ms", p50, ok)
	}
	nothing := Span{Then: p.Now, Now: p.Now}
	if _, ok := ShareOf("gets_total", []string{"hit"}, []string{"miss"})(nothing); ok {
		t.Error("there is a share of nothing")
	}
	if got := nothing.Rate("gets_total"); got != 0 {
		t.Errorf("rate of no time: got %v, want 0", got)
	}
}

func TestTheWorstStatusIsFirst(t *testing.T) {
	s := NewSet()
	for _, added := range []Status{{Ready: true, Text: "a", For: 5, Detail: "old"}, {Text: "b"}, {Ready: true, Text: "c"}, {Text: "d"},
		{Ready: true, Text: "a", For: 3, Detail: "new"}, {Ready: true, Text: "a", For: 9}} {
		s.AddStatus(added)
	}
	if alike := (Status{Ready: true, Text: "a", For: 3, Detail: "new", Loops: 3}); s.Status[2] != alike {
		t.Errorf("three loops say alike: got %+v, want %+v", s.Status[2], alike)
	}
	var got []string
	for _, status := range s.Status {
		got = append(got, status.Text)
	}
	if want := []string{"b", "d", "a", "c"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.Ready() {
		t.Error("it is ready with something that is not")
	}
}

// TestStatusInWords: one line for a service manager and SIGUSR1, and the same words with their times on the page.
func TestStatusInWords(t *testing.T) {
	up := Status{Ready: true, Text: "Connected", LastError: "reset", ErrorAgo: 5*time.Second + time.Millisecond}
	away := Status{Text: "Away", Detail: "Requests fail", LastError: "refused", ErrorAgo: time.Second}
	for _, row := range []struct {
		status       Status
		line, detail string
	}{
		{Status{Text: "Connecting"}, "Connecting", ""},
		{up, "Connected", "Last error, 5s ago: reset"},
		{away, "Away (refused). Requests fail", "Requests fail. Last error, 1s ago: refused"},
		{Status{Ready: true, Text: "Serving", Detail: "Sessions: 1 of 2"}, "Serving. Sessions: 1 of 2", "Sessions: 1 of 2"},
	} {
		s := NewSet()
		s.AddStatus(row.status)
		s.AddStatus(row.status)
		page := s.PageOf()[0]
		if got := s.Line(); got != row.line || page.Text != row.status.Text || page.Detail != row.detail {
			t.Errorf("got %q and on the page %q, %q; want %q and %q", got, page.Text, page.Detail, row.line, row.detail)
		}
	}
}
