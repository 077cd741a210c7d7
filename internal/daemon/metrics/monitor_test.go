package metrics

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// site is a daemon with figures that a test sets.
type site struct {
	mu       sync.Mutex
	c        counters
	after    time.Duration
	gathered int
}

func (s *site) gather(time.Duration) *Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gathered++
	c := s.c
	return setOf(s.after, &c)
}

var plan = Plan{
	Series: []Series{{ID: "hits", Title: "Hit rate", Unit: Ratio, Of: ShareOf("gets_total", []string{"hit"}, []string{"miss"})}},
	Mistakes: []Mistake{{ID: "misses", Title: "nothing is found", Remedy: "store something", Found: func(p Span) string {
		if p.Grew("gets_total", "hit") > 0 || p.Grew("gets_total", "miss") == 0 {
			return ""
		}
		return fmt.Sprintf("%v misses", p.Grew("gets_total", "miss"))
	}}},
}

// TestFiguresAreReadOncePerSecond: many who ask at once cost the loop one copy.
func TestFiguresAreReadOncePerSecond(t *testing.T) {
	s := &site{}
	m := NewMonitor(plan, s.gather)
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() { m.Set() })
	}
	all.Wait()
	if s.gathered != 1 {
		t.Errorf("got %d copies, want 1", s.gathered)
	}
}

// TestMistakes: each is logged when it is found and when it has gone, and stands in the metric and on
// the page in between.
func TestMistakes(t *testing.T) {
	var lines bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	defer slog.SetDefault(old)
	s := &site{}
	m := NewMonitor(plan, s.gather)
	step := func(hits, misses float64) {
		s.c.hits, s.c.misses, s.after = hits, misses, s.after+HistoryStep
		m.step()
	}
	step(0, 0)
	for i := range 3 {
		step(0, float64(i+1))
	}
	if got := m.Mistakes(); len(got) != 1 || got[0].ID != "misses" || got[0].Seen != "3 misses" || got[0].Remedy != "store something" {
		t.Errorf("got %+v, want the mistake with what was seen last", got)
	}
	m.fresh = nil
	if got := m.Set().Total("distcache_mistake", "misses"); got != 1 {
		t.Errorf("metric: got %v, want 1", got)
	}
	step(1, 4)
	m.fresh = nil
	if got := m.Set().Total("distcache_mistake", "misses"); got != 0 || len(m.Mistakes()) != 0 {
		t.Errorf("metric: got %v, want 0 once there are hits", got)
	}
	if got := strings.Count(lines.String(), "\n"); got != 2 || !strings.Contains(lines.String(), `msg="no longer seen: nothing is found"`) {
		t.Errorf("got the lines\n%swant one when it was found, and one when it had gone", lines.String())
	}
}

// TestLoggedMistakesAreNotLoggedAgain: the part that meets them has a line of its own.
func TestLoggedMistakesAreNotLoggedAgain(t *testing.T) {
	var lines bytes.Buffer
	old := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&lines, nil)))
	defer slog.SetDefault(old)
	logged := plan.Mistakes[0]
	logged.Logged = true
	s := &site{}
	m := NewMonitor(Plan{Mistakes: []Mistake{logged}}, s.gather)
	m.step()
	s.c.misses, s.after = 1, HistoryStep
	m.step()
	if len(m.Mistakes()) != 1 || lines.Len() > 0 {
		t.Errorf("got %v and the lines %q, want the mistake, and silence", m.Mistakes(), lines.String())
	}
}

// TestHistoryIsBounded: it keeps a quarter of an hour.
func TestHistoryIsBounded(t *testing.T) {
	s := &site{}
	m := NewMonitor(plan, s.gather)
	for i := range 2 * HistorySteps {
		s.after = time.Duration(i) * HistoryStep
		s.c.hits, s.c.misses = float64(i), float64(i)
		m.step()
	}
	plots := m.Plots()
	if len(plots) != 1 || len(plots[0].Points) != HistorySteps || *plots[0].Points[HistorySteps-1] != 0.5 {
		t.Errorf("got %d points, want the last %d", len(plots[0].Points), HistorySteps)
	}
	span, _ := m.history.span()
	if got := time.Duration(span.Seconds()+0.5) * time.Second; got > HistorySteps*HistoryStep || got < (HistorySteps-2*spanSteps)*HistoryStep {
		t.Errorf("mistakes are looked for in %v, want about a quarter of an hour", got)
	}
	if len(m.history.sets) != spanSets {
		t.Errorf("got %d sets, want %d", len(m.history.sets), spanSets)
	}
}

// TestPlotsHaveGaps: a step without requests has no hit rate.
func TestPlotsHaveGaps(t *testing.T) {
	s := &site{}
	m := NewMonitor(plan, s.gather)
	m.step()
	if points := m.Plots()[0].Points; points == nil || len(points) != 0 {
		t.Errorf("got %v at the start, want an empty list", points)
	}
	m.step()
	if points := m.Plots()[0].Points; len(points) != 1 || points[0] != nil {
		t.Errorf("got %v, want one gap", points)
	}
}

func TestLine(t *testing.T) {
	s := &site{}
	s.c = counters{hits: 3}
	s.c.took.Observe(time.Millisecond)
	got := fmt.Sprint(NewMonitor(plan, s.gather).Line()...)
	if want := fmt.Sprint("gets_hit", "3", "took_p50", 1016*time.Microsecond, "took_p99", 1016*time.Microsecond); got != want {
		t.Errorf("got %s, want %s: what is 0 is left out", got, want)
	}
}

func TestText(t *testing.T) {
	for _, row := range []struct {
		value float64
		unit  Unit
		want  string
	}{
		{12345, Number, "12345"}, {0.00012, Seconds, "120µs"}, {3661, Seconds, "1h1m1s"}, {0.5, Ratio, "50.0%"},
		{1, Yes, "yes"}, {0, Yes, "no"}, {1000, Bytes, "1000 B"}, {1536, Bytes, "1.5 KiB"}, {3 << 40, Bytes, "3072.0 GiB"},
	} {
		if got := Text(row.value, row.unit); got != row.want {
			t.Errorf("%v %s: got %q, want %q", row.value, row.unit, got, row.want)
		}
	}
}

// TestLineAddsFronts: the line does not tell the protocols apart.
func TestLineAddsFronts(t *testing.T) {
	for _, row := range []struct {
		labels []string // before the front
		want   string
	}{{[]string{"GET"}, "[requests_GET 5]"}, {nil, "[requests 5]"}} {
		f := &Family{Description: Description{Name: "requests_total", Kind: Counter, Labels: append(row.labels, Front), Line: "requests"}}
		f.add(2, append(row.labels, "distcache")...)
		f.add(3, append(row.labels, "other")...)
		if got := fmt.Sprint(f.line()); got != row.want {
			t.Errorf("got %s, want %s", got, row.want)
		}
	}
}
