package server

import (
	"fmt"
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
	Status metrics.Status
}

// Snapshot copies the counters.
func (s *Server) Snapshot(now time.Duration) *Snapshot {
	return &Snapshot{Front: s.front.Snapshot(), Server: s.Counters, Store: s.store.Stats(), Status: s.Status(now)}
}

// Collect reads the figures.
func (s *Snapshot) Collect(set *metrics.Set) {
	metrics.Collect(set, front.Figures, &s.Front)
	metrics.Collect(set, figures, s)
	set.AddStatus(s.Status)
}

// Status tells how full the cache is.
func (s *Server) Status(now time.Duration) metrics.Status {
	stats := s.store.Stats()
	return metrics.Status{Ready: true, Text: "Serving sessions from memory", For: now,
		Detail: fmt.Sprintf("Sessions: %d of %d", stats.Sessions, stats.Capacity)}
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
	{Description: metrics.Description{Name: Sessions, Kind: metrics.Gauge, Line: "sessions",
		Help: "Sessions held"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Sessions)) }},
	{Description: metrics.Description{Name: Capacity, Kind: metrics.Gauge,
		Help: "Limit of sessions (-sessions)"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Capacity)) }},
	{Description: metrics.Description{Name: "distcache_session_bytes", Kind: metrics.Gauge, Unit: metrics.Bytes,
		Help: "Bytes of the IDs and data of the sessions held"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Bytes)) }},
	{Description: metrics.Description{Name: Memory, Kind: metrics.Gauge, Unit: metrics.Bytes,
		Help: "Memory that the sessions and their index take of the machine"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Memory)) }},
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
	{Description: metrics.Description{Name: Evicted, Kind: metrics.Counter, Line: "evicted",
		Help: "Sessions dropped before they expired, to make room"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Evicted)) }},
	{Description: metrics.Description{Name: "distcache_sessions_expired_total", Kind: metrics.Counter,
		Help: "Sessions dropped because their time was over"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Expired)) }},
	{Description: metrics.Description{Name: "distcache_sessions_removed_total", Kind: metrics.Counter,
		Help: "Sessions removed by clients"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Store.Removed)) }},
	{Description: metrics.Description{Name: Life, Kind: metrics.Counter, Unit: metrics.Seconds,
		Help: "Timeouts of all ADDs together; over distcache_adds_total it is how long a session is to live"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Server.Life) / 1000) }},
	{Description: metrics.Description{Name: "distcache_probes_total", Kind: metrics.Counter,
		Help: "Probes of dc_clients; they count as HAVEs in distcache_requests_total, too"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.Server.Probes)) }},
}
