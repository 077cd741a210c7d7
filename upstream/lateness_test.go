package upstream

import (
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// lateMux is a Mux whose reports are gathered.
func lateMux(told *[]Lateness) *Mux {
	config := testMuxConfig()
	config.Late = func(l Lateness) { *told = append(*told, l) }
	return NewMux(config, &recorder{})
}

// TestLateAnswersAreReported: with all late, and with some.
func TestLateAnswersAreReported(t *testing.T) {
	for _, row := range []struct {
		name  string
		takes []time.Duration // each request's answer; deadline.Never: it does not come
		want  []Lateness
	}{
		{"in time", []time.Duration{ms, 199 * ms}, nil},
		{"all late", []time.Duration{260 * ms, 300 * ms}, []Lateness{{Late: 2, Of: 2, Answered: 2, Took: 280 * ms}}},
		{"one of three", []time.Duration{ms, 400 * ms, ms}, []Lateness{{Late: 1, Of: 2, Answered: 1, Took: 400 * ms}}},
		{"never", []time.Duration{deadline.Never}, []Lateness{{Late: 1, Of: 1}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var told []Lateness
			m := lateMux(&told)
			now := time.Duration(0)
			for owner, takes := range row.takes {
				mustSubmit(t, m, owner, 1, "x", now)
				q := seen(t, m)[0]
				if takes > 200*ms {
					now += 200 * ms
					m.Expire(now)
					takes -= 200 * ms
				}
				if takes < time.Hour {
					now += takes
					mustDeliver(t, m, reply(q.UID, codec.OpGet, "x"), now)
				}
			}
			m.Expire(now + latenessWindow)
			if !slices.Equal(told, row.want) {
				t.Errorf("got %+v, want %+v", told, row.want)
			}
		})
	}
}

// TestLatenessAtMostOnceAMinute: however many are late, and the next report has what came between.
func TestLatenessAtMostOnceAMinute(t *testing.T) {
	var told []Lateness
	m := lateMux(&told)
	const step, rounds = 500 * ms, 2 * 2 * 60
	for round := range rounds {
		now := time.Duration(round) * step
		mustSubmit(t, m, 1, 1, "x", now)
		q := seen(t, m)[0]
		m.Expire(now + 200*ms)
		mustDeliver(t, m, reply(q.UID, codec.OpGet, "x"), now+260*ms)
	}
	if len(told) != 2 {
		t.Fatalf("got %d reports in two minutes, want 2: %+v", len(told), told)
	}
	if l := told[1]; l.Late != l.Of || l.Late < 110 || l.Late > 120 || l.Took.Round(ms) != 260*ms {
		t.Errorf("got %+v, want the 120 requests of a minute, or nearly", l)
	}
}

// TestLateProbes: a dc_server that becomes slow while no client asks is reported, too.
func TestLateProbes(t *testing.T) {
	var told []Lateness
	m := lateMux(&told)
	submitProbe(m, request(1, codec.OpHave, "x"), 0)
	m.Expire(200 * ms)
	if m.Deadline() != 200*ms+latenessWindow {
		t.Errorf("got a deadline at %v, want the report's", m.Deadline())
	}
	m.Expire(200*ms + latenessWindow)
	if want := []Lateness{{Late: 1, Of: 1}}; !slices.Equal(told, want) {
		t.Errorf("got %+v, want %+v", told, want)
	}
}
