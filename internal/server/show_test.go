package server

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
)

// spanOf is the last minutes of a server whose counters grew from then to now.
func spanOf(t *testing.T, seconds int, then, now *Snapshot) metrics.Span {
	t.Helper()
	at := func(s *Snapshot, after time.Duration) *metrics.Set {
		set := metrics.NewSetAt(time.Time{}.Add(after))
		s.Collect(set)
		return set
	}
	return metrics.Span{Then: at(then, 0), Now: at(now, time.Duration(seconds)*time.Second)}
}

func found(id string) func(metrics.Span) string {
	for _, m := range Show.Mistakes {
		if m.ID == id {
			return m.Found
		}
	}
	panic("no mistake " + id)
}

// TestEvictionsNameTheSessionsThatWouldDo: 50 sessions a second that live for 300 s are 15,000.
func TestEvictionsNameTheSessionsThatWouldDo(t *testing.T) {
	then, now := &Snapshot{}, &Snapshot{}
	now.Store.Stored, now.Store.Evicted, now.Store.Capacity = 50*600, 20000, 10000
	now.Server.Life = 50 * 600 * 300_000
	if got := found("evictions")(spanOf(t, 600, then, then)); got != "" {
		t.Errorf("got %q without evictions", got)
	}
	got := found("evictions")(spanOf(t, 600, then, now))
	if want := "20000 sessions in the last 10m0s; 50 a second live for 5m0s on average: about 15000 sessions are needed, -sessions is 10000"; got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	now.Store.Exists, now.Server.Life = now.Store.Stored, 2*now.Server.Life // each is added twice
	if again := found("evictions")(spanOf(t, 600, then, now)); again != got {
		t.Errorf("got %q where each session is added twice, want the same", again)
	}
}

func TestTwoDigits(t *testing.T) {
	for v, want := range map[float64]float64{0: 0, 1: 1, 99: 99, 101: 110, 14999: 15000, 15001: 16000} {
		if got := twoDigits(v); got != want {
			t.Errorf("%v: got %v, want %v", v, got, want)
		}
	}
}

func TestMixOfRequests(t *testing.T) {
	rows := []struct {
		name             string
		seconds          int
		adds, gets       uint64
		haves, probes    uint64
		brief            uint64
		noGets, shortAdd bool
	}{
		{"a good site", 600, 1000, 900, 0, 0, 0, false, false},
		{"dc_clients with -cache", 600, 1000, 3, 900, 120, 0, false, false},
		{"tickets are on", 600, 1000, 3, 120, 120, 0, true, false},
		{"too early to tell", 20, 1000, 3, 0, 0, 1000, false, false},
		{"too few to tell", 600, 50, 0, 0, 0, 50, false, false},
		{"mod_socache_dc", 600, 1000, 900, 0, 0, 1000, false, true},
		{"one terminator of many", 600, 1000, 900, 0, 0, 500, false, false},
		{"both", 600, 1000, 0, 0, 0, 1000, true, true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			then, now := &Snapshot{}, &Snapshot{}
			now.Front.Counters.Requests = [codec.NumOps]uint64{codec.OpAdd: row.adds, codec.OpGet: row.gets, codec.OpHave: row.haves}
			now.Front.Counters.Brief, now.Server.Probes = row.brief, row.probes
			p := spanOf(t, row.seconds, then, now)
			if got := found("adds-without-gets")(p); (got != "") != row.noGets {
				t.Errorf("ADDs without GETs: got %q, want %v", got, row.noGets)
			}
			if got := found("brief-adds")(p); (got != "") != row.shortAdd {
				t.Errorf("brief ADDs: got %q, want %v", got, row.shortAdd)
			}
		})
	}
}

// TestLivesAreCounted: what -minexpiry makes of a timeout counts, and only of ADDs that are valid.
func TestLivesAreCounted(t *testing.T) {
	for _, row := range []struct {
		name      string
		minExpiry time.Duration
		ttl       time.Duration
		brief     uint64
		life      uint64
	}{
		{"brief", 0, 999 * time.Millisecond, 1, 999},
		{"a second", 0, time.Second, 0, 1000},
		{"raised", 300 * time.Second, 0, 0, 300_000},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newRig(t, Config{MinExpiry: row.minExpiry}, 64)
			r.mustStatus(codec.OpAdd, add("id", "data", row.ttl), codec.StatusOK)
			r.mustStatus(codec.OpAdd, add("", "data", row.ttl), codec.StatusAddIDLen)
			if brief, life := r.Server.Front().Counters.Brief, r.Server.Counters.Life; brief != row.brief || life != row.life {
				t.Errorf("got %d brief and %d ms of life, want %d and %d", brief, life, row.brief, row.life)
			}
		})
	}
}
