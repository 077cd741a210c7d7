package agent

import (
	"slices"
	"time"

	"distcache/engine/histogram"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/internal/store"
	"distcache/upstream"
)

// Snapshot is a copy of an Agent's counters.
type Snapshot struct {
	fronts    []front.Snapshot
	memcached []memcached.Counters
	datagrams *front.DatagramCounters // nil: none
	server    upstream.Figures
	agent     Counters
	link      linkFacts
	up        bool // each request finds a connection
	servers   []serverFacts
	status    metrics.Status
	inFlight  int
	places    int // addresses of dc_server
	cache     CacheCounters
	cached    store.Stats // of the cache
}

// serverFacts are of one dc_server.
type serverFacts struct {
	name  string
	up    bool
	asked uint64
}

// Snapshot copies the counters.
func (a *Agent) Snapshot(now time.Duration) *Snapshot {
	s := &Snapshot{server: a.figures, agent: a.Counters, link: a.link, up: a.servers.Up(), status: a.Status(now),
		inFlight: a.servers.InFlight()}
	if a.config.Addresses != nil {
		s.places = a.config.Addresses()
	}
	for _, m := range a.servers.Members() {
		s.addServer(serverFacts{m.Share(), m.State() == upstream.Up, m.Asked()})
	}
	if a.cache != nil {
		s.cache, s.cached = a.cache.Counters, a.cache.held.memory.Stats()
	}
	for _, f := range a.fronts {
		s.fronts = append(s.fronts, f.Snapshot())
	}
	for _, w := range a.memcached {
		s.memcached = append(s.memcached, w.Counters)
	}
	if a.datagrams != nil {
		counters := a.datagrams.Counters
		s.datagrams = &counters
		s.fronts = append(s.fronts, a.datagrams.Snapshot())
	}
	return s
}

// addServer takes the figures of one dc_server. While it is connected to in another way than before it is on the list twice.
func (s *Snapshot) addServer(f serverFacts) {
	i := slices.IndexFunc(s.servers, func(o serverFacts) bool { return o.name == f.name })
	if i < 0 {
		s.servers = append(s.servers, f)
		return
	}
	s.servers[i].up = s.servers[i].up || f.up
	s.servers[i].asked += f.asked
}

// Collect reads the figures.
func (s *Snapshot) Collect(set *metrics.Set) {
	for i := range s.fronts {
		metrics.Collect(set, front.Figures, &s.fronts[i])
	}
	for i := range s.memcached {
		metrics.Collect(set, memcached.Figures, &s.memcached[i])
	}
	if s.datagrams != nil {
		metrics.Collect(set, front.DatagramFigures, s.datagrams)
	}
	metrics.Collect(set, figures, s)
	set.AddStatus(s.status)
}

// answered is how long clients waited for their answers: what dc_server answered in time, what was
// given up, and what was answered here at once.
func (s *Snapshot) answered() *histogram.Histogram {
	h := s.server.Times.Answered
	h.Add(&s.server.Times.GivenUp)
	h.ObserveMany(0, s.agent.Unavailable+s.agent.ShortAdds+s.server.Mux.Full)
	return &h
}

// roundTrip is how long dc_server took, also where that was too long.
func (s *Snapshot) roundTrip() *histogram.Histogram {
	h := s.server.Times.Answered
	h.Add(&s.server.Times.Late)
	return &h
}

// Figures describes the figures of an Agent.
func Figures() []metrics.Description {
	return slices.Concat(metrics.Describe(front.Figures), metrics.Describe(memcached.Figures), metrics.Describe(front.DatagramFigures),
		metrics.Describe(figures))
}

// The names of figures that others read.
const (
	Disconnected = "distcache_disconnected_total"
	Dropped      = "distcache_answers_dropped_total"
	RoundTrip    = "distcache_round_trip_seconds"
	Answered     = "distcache_answer_seconds"
	Batches      = "distcache_link_batch_requests"
	LinkUp       = "distcache_link_up"
	ServerUp     = "distcache_server_up"
	ServerAsked  = "distcache_server_requests_total"
	Addresses    = "distcache_link_addresses"
)

var figures = []metrics.Figure[Snapshot]{
	{Description: metrics.Description{Name: LinkUp, Kind: metrics.Gauge, Line: "links_up",
		Help: "Event loops whose connection to dc_server is up; distcache_loops is how many there are"},
		Read: func(s *Snapshot, put metrics.Put) {
			up := 0.0
			if s.up {
				up = 1
			}
			put(up)
		}},
	{Description: metrics.Description{Name: ServerUp, Kind: metrics.Gauge, Labels: []string{"server"},
		Help: "Event loops that are connected to this dc_server; of several, the ones that stand by are not"},
		Read: func(s *Snapshot, put metrics.Put) {
			for _, one := range s.servers {
				up := 0.0
				if one.up {
					up = 1
				}
				put(up, one.name)
			}
		}},
	{Description: metrics.Description{Name: ServerAsked, Kind: metrics.Counter, Labels: []string{"server"},
		Help: "Requests sent to this dc_server, with the probes of an idle connection, and without the first probe of a new one"},
		Read: func(s *Snapshot, put metrics.Put) {
			for _, one := range s.servers {
				put(float64(one.asked), one.name)
			}
		}},
	{Description: metrics.Description{Name: Addresses, Kind: metrics.Gauge,
		Help: "Addresses of one IP version that the name of -server leads to; dc_clients that use different ones share no sessions"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.places)) }},
	{Description: metrics.Description{Name: "distcache_link_connects_total", Kind: metrics.Counter, Line: "connects",
		Help: "Connections to dc_server that came up: they answered the probe"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.link.ups)) }},
	{Description: metrics.Description{Name: "distcache_link_losses_total", Kind: metrics.Counter, Line: "losses",
		Help: "Connections to dc_server that were up and ended"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.link.losts)) }},
	{Description: metrics.Description{Name: "distcache_link_faults_total", Kind: metrics.Counter, Labels: []string{"reason"},
		Help: "Connections and attempts that ended: closed by dc_server, silent, corrupt bytes, no dc_server, or an error of the system"},
		Read: func(s *Snapshot, put metrics.Put) {
			for why, n := range s.link.faults {
				put(float64(n), fault(why).String())
			}
		}},
	{Description: metrics.Description{Name: Disconnected, Kind: metrics.Counter, Labels: []string{"reason"}, Line: "disconnected",
		Help: "Requests answered DISCONNECTED: no answer within -timeout, connection lost meanwhile, no connection, or too many in flight"},
		Read: func(s *Snapshot, put metrics.Put) {
			put(float64(s.server.Mux.TimedOut), "timeout")
			put(float64(s.server.Mux.Lost), "lost")
			put(float64(s.agent.Unavailable), "no-connection")
			put(float64(s.server.Mux.Full), "full")
		}},
	{Description: metrics.Description{Name: RoundTrip, Kind: metrics.Durations, Unit: metrics.Seconds, Line: "round_trip",
		Help: "Time from the request of a client to the answer of dc_server, also where that was too late"},
		Times: (*Snapshot).roundTrip},
	{Description: metrics.Description{Name: Answered, Kind: metrics.Durations, Unit: metrics.Seconds,
		Help: "Time from the request of a client to its answer, from dc_server or DISCONNECTED from dc_client"},
		Times: (*Snapshot).answered},
	{Description: metrics.Description{Name: "distcache_in_flight", Kind: metrics.Gauge, Line: "in_flight",
		Help: "Requests that wait for the answer of dc_server"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.inFlight)) }},
	{Description: metrics.Description{Name: "distcache_forwarded_total", Kind: metrics.Counter,
		Help: "Requests sent on to dc_server"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.server.Mux.Forwarded)) }},
	{Description: metrics.Description{Name: Dropped, Kind: metrics.Counter, Labels: []string{"reason"},
		Help: "Answers of dc_server that no client got: they came late, the client had left, or they match no request"},
		Read: func(s *Snapshot, put metrics.Put) {
			put(float64(s.server.Mux.Late), "late")
			put(float64(s.server.Mux.Swallowed), "client-left")
			put(float64(s.server.Mux.Unsolicited), "no-request")
		}},
	{Description: metrics.Description{Name: Batches, Kind: metrics.Sizes,
		Help: "Requests that left for dc_server together, in one write"},
		Sizes: func(s *Snapshot) *histogram.Sizes { return &s.server.Link.Batches }},
	{Description: metrics.Description{Name: "distcache_link_sent_bytes_total", Kind: metrics.Counter, Unit: metrics.Bytes,
		Help: "Bytes sent to dc_server"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.server.Link.Sent)) }},
	{Description: metrics.Description{Name: "distcache_link_received_bytes_total", Kind: metrics.Counter, Unit: metrics.Bytes,
		Help: "Bytes received from dc_server"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.server.Link.Received)) }},
	{Description: metrics.Description{Name: "distcache_cache_gets_total", Kind: metrics.Counter, Labels: []string{"result"},
		Help: "GETs that found their session in the cache of -cache, for which dc_server was asked by a HAVE: it has the session, it does not, " +
			"or it has and the entry was gone meanwhile, so that it was asked again"},
		Read: func(s *Snapshot, put metrics.Put) {
			put(float64(s.cache.Hits), "hit")
			put(float64(s.cache.Gone), "gone")
			put(float64(s.cache.Again), "again")
		}},
	{Description: metrics.Description{Name: "distcache_cache_sessions", Kind: metrics.Gauge,
		Help: "Sessions in the cache of -cache"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.cached.Sessions)) }},
	{Description: metrics.Description{Name: "distcache_cache_memory_bytes", Kind: metrics.Gauge, Unit: metrics.Bytes,
		Help: "Memory that the cache of -cache takes"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.cached.Memory)) }},
	{Description: metrics.Description{Name: "distcache_cache_evicted_total", Kind: metrics.Counter,
		Help: "Sessions dropped from the cache of -cache before their time, to make room"},
		Read: func(s *Snapshot, put metrics.Put) { put(float64(s.cached.Evicted)) }},
}
