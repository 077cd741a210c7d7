package server

import (
	"time"

	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/internal/store"
)

// Snapshot is a copy of a Server's counters.
type Snapshot struct {
	Front  front.Snapshot
	Server Counters
	Store  store.Stats
	Remote metrics.Source // of a store in another machine; nil: it is in this process
	Status metrics.Status
}

// Snapshot copies the counters.
func (s *Server) Snapshot(now time.Duration) *Snapshot {
	return &Snapshot{Front: s.front.Snapshot(), Server: s.Counters, Store: s.store.Stats(), Remote: s.store.Figures(), Status: s.Status(now)}
}

// Collect reads the figures.
func (s *Snapshot) Collect(set *metrics.Set) {
	metrics.Collect(set, front.Figures, &s.Front)
	metrics.Collect(set, figures, s)
	if s.Remote != nil {
		s.Remote.Collect(set)
	}
	set.AddStatus(s.Status)
}

// Status tells where the store stands.
func (s *Server) Status(now time.Duration) metrics.Status { return s.store.Status(now) }

// holds gives an entry that tells something of sessions in this process.
func holds(d metrics.Description, value func(s *store.Stats) float64) metrics.Figure[Snapshot] {
	return metrics.Figure[Snapshot]{Description: d, Read: func(s *Snapshot, put metrics.Put) {
		if s.Store.Capacity > 0 {
			put(value(&s.Store))
		}
	}}
}

// Figures describes the figures of a Server.
func Figures() []metrics.Description {
	return append(metrics.Describe(front.Figures), metrics.Describe(figures)...)
}

// The names of figures that others read.
const (
	Sessions = "distcache_sessions"
	Gets     = "distcache_gets_total"
	Adds     = "distcache_adds_total"
	Evicted  = "distcache_sessions_evicted_total"
	Capacity = "distcache_sessions_max"
	Memory   = "distcache_store_memory_bytes"
	Life     = "distcache_session_life_seconds_total"
)

var figures = []metrics.Figure[Snapshot]{
	holds(metrics.Description{Name: Sessions, Kind: metrics.Gauge, Line: "sessions",
		Help: "Sessions held"},
		func(s *store.Stats) float64 { return float64(s.Sessions) }),
	holds(metrics.Description{Name: Capacity, Kind: metrics.Gauge,
		Help: "Limit of sessions (-sessions)"},
		func(s *store.Stats) float64 { return float64(s.Capacity) }),
	holds(metrics.Description{Name: "distcache_session_bytes", Kind: metrics.Gauge, Unit: metrics.Bytes,
		Help: "Bytes of the IDs and data of the sessions held"},
		func(s *store.Stats) float64 { return float64(s.Bytes) }),
	holds(metrics.Description{Name: Memory, Kind: metrics.Gauge, Unit: metrics.Bytes,
		Help: "Memory that the sessions and their index take of the machine"},
		func(s *store.Stats) float64 { return float64(s.Memory) }),
	{Description: metrics.Description{Name: Gets, Kind: metrics.Counter, Labels: []string{"result"}, Line: "gets",
		Help: "GETs by result: hit (a session) or miss"},
		Read: func(s *Snapshot, put metrics.Put) {
			put(float64(s.Server.Hits), "hit")
			put(float64(s.Server.Misses), "miss")
		}},
	{Description: metrics.Description{Name: Adds, Kind: metrics.Counter, Labels: []string{"result"},
		Help: "ADDs by result: stored, exists (a session of that ID is there), or refused by the store"},
		Read: func(s *Snapshot, put metrics.Put) {
			put(float64(s.Store.Stored), "stored")
			put(float64(s.Store.Exists), "exists")
			put(float64(s.Store.Refused), "refused")
		}},
	holds(metrics.Description{Name: Evicted, Kind: metrics.Counter, Line: "evicted",
		Help: "Sessions dropped before they expired, to make room"},
		func(s *store.Stats) float64 { return float64(s.Evicted) }),
	holds(metrics.Description{Name: "distcache_sessions_expired_total", Kind: metrics.Counter,
		Help: "Sessions dropped because their time was over"},
		func(s *store.Stats) float64 { return float64(s.Expired) }),
	{Description: metrics.Description{Name: "distcache_sessions_removed_total", Kind: metrics.Counter,
		Help: "Sessions removed by clients"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Removed)) }},
	{Description: metrics.Description{Name: "distcache_sessions_adopted_total", Kind: metrics.Counter,
		Help: "Sessions taken over from the dc_server before (-keep)"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Adopted)) }},
	{Description: metrics.Description{Name: Life, Kind: metrics.Counter, Unit: metrics.Seconds,
		Help: "Timeouts of all ADDs together; over distcache_adds_total it is how long a session is to live"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Server.Life) / 1000) }},
	{Description: metrics.Description{Name: metrics.Probes, Kind: metrics.Counter,
		Help: "Probes of dc_clients and of dc_test -ping; they count as HAVEs in distcache_requests_total, too"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Server.Probes)) }},
}
