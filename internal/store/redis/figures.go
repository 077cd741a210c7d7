package redis

import (
	"fmt"
	"time"

	"distcache/engine/histogram"
	"distcache/internal/daemon/metrics"
	"distcache/internal/store"
)

// counters are totals since the start.
type counters struct {
	Batches     uint64
	Commands    uint64
	Errors      [numKinds]uint64 // requests answered DISCONNECTED
	Moves       uint64           // redirects followed
	LateReplies uint64           // to requests that were answered already
	NotOpened   uint64           // sessions that were sealed otherwise
	Opened      uint64           // how often a server was given up, until a probe was answered
	Times       histogram.Histogram
}

// Snapshot is a copy of the figures.
type Snapshot struct {
	counters  counters
	up, down  int
	open      int
	bytes     int
	breaker   bool
	addsFail  bool
	reachable bool
}

// Figures implements store.Store.
func (s *Store) Figures() metrics.Source {
	c := &Snapshot{counters: s.counters, open: s.requests.open, bytes: s.bytes}
	for _, n := range s.route.nodes {
		switch {
		case n.retired:
		case n.down || n.reach.trouble != OK:
			c.down++
		default:
			c.up++
		}
		c.addsFail = c.addsFail || n.writes.trouble != OK
		c.breaker = c.breaker || n.down
	}
	c.reachable = c.up > 0
	return c
}

// Collect reads the figures.
func (c *Snapshot) Collect(set *metrics.Set) { metrics.Collect(set, figures, c) }

// Figures describes the figures of a Store.
func Figures() []metrics.Description { return metrics.Describe(figures) }

// label is the value of the label store.
const label = "redis"

var figures = []metrics.Figure[Snapshot]{
	{Description: metrics.Description{Name: store.FigureUp, Kind: metrics.Gauge, Unit: metrics.Yes, Labels: []string{"store"}, Line: "store_up",
		Help: "1 where a server of the store answers (-store)"},
		Read: func(c *Snapshot, put metrics.Put) { put(yes(c.reachable), label) }},
	{Description: metrics.Description{Name: "distcache_store_servers", Kind: metrics.Gauge, Labels: []string{"store", "state"},
		Help: "Servers of the store, by whether they answer: one, or the masters of a cluster"},
		Read: func(c *Snapshot, put metrics.Put) {
			put(float64(c.up), label, "up")
			put(float64(c.down), label, "down")
		}},
	{Description: metrics.Description{Name: "distcache_store_breaker_open", Kind: metrics.Gauge, Unit: metrics.Yes, Labels: []string{"store"},
		Help: "1 where a server is asked nothing but probes: requests for it are answered DISCONNECTED at once"},
		Read: func(c *Snapshot, put metrics.Put) { put(yes(c.breaker), label) }},
	{Description: metrics.Description{Name: "distcache_store_breaker_opened_total", Kind: metrics.Counter, Labels: []string{"store"},
		Help: "How often a server was given up until it answered a probe"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.counters.Opened), label) }},
	{Description: metrics.Description{Name: "distcache_store_refuses_adds", Kind: metrics.Gauge, Unit: metrics.Yes, Labels: []string{"store"},
		Help: "1 where a server answers GETs and refuses ADDs: it is out of memory, or a replica"},
		Read: func(c *Snapshot, put metrics.Put) { put(yes(c.addsFail), label) }},
	{Description: metrics.Description{Name: store.FigureErrors, Kind: metrics.Counter, Labels: []string{"store", "kind"}, Line: "store_errors",
		Help: "Requests answered DISCONNECTED because of the store, by kind of error"},
		Read: func(c *Snapshot, put metrics.Put) {
			for k := OK + 1; k < numKinds; k++ {
				put(float64(c.counters.Errors[k]), label, k.String())
			}
		}},
	{Description: metrics.Description{Name: "distcache_store_batches_total", Kind: metrics.Counter, Labels: []string{"store"},
		Help: "Batches of commands sent to the store"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.counters.Batches), label) }},
	{Description: metrics.Description{Name: "distcache_store_commands_total", Kind: metrics.Counter, Labels: []string{"store"},
		Help: "Commands in them; over distcache_store_batches_total it is how many travel together"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.counters.Commands), label) }},
	{Description: metrics.Description{Name: "distcache_store_redirects_total", Kind: metrics.Counter, Labels: []string{"store"},
		Help: "Commands sent again to another server of the cluster, as the first one asked"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.counters.Moves), label) }},
	{Description: metrics.Description{Name: "distcache_store_late_answers_total", Kind: metrics.Counter, Labels: []string{"store"},
		Help: "Answers of the store that came after -storetimeout and were dropped"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.counters.LateReplies), label) }},
	{Description: metrics.Description{Name: "distcache_store_not_opened_total", Kind: metrics.Counter, Labels: []string{"store"},
		Help: "Sessions that no key of -seal opens, or that were changed; they count as misses"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.counters.NotOpened), label) }},
	{Description: metrics.Description{Name: "distcache_store_requests_open", Kind: metrics.Gauge, Labels: []string{"store"},
		Help: "Requests that wait for the store"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.open), label) }},
	{Description: metrics.Description{Name: "distcache_store_open_bytes", Kind: metrics.Gauge, Unit: metrics.Bytes, Labels: []string{"store"},
		Help: "Bytes of keys and sessions on their way to the store"},
		Read: func(c *Snapshot, put metrics.Put) { put(float64(c.bytes), label) }},
	{Description: metrics.Description{Name: store.FigureTimes, Kind: metrics.Durations, Unit: metrics.Seconds, Line: "store",
		Help: "Time from a request to the store's answer, those that were late included"},
		Times: func(c *Snapshot) *histogram.Histogram { return &c.counters.Times }},
}

func yes(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Status implements store.Store: it is ready while a server answers. Where one of several does not, the others serve
// their sessions.
func (s *Store) Status(now time.Duration) metrics.Status {
	var up, all int
	var trouble, writes *node
	for _, n := range s.route.nodes {
		if n.retired {
			continue
		}
		if all++; !n.down && n.reach.trouble == OK {
			up++
		} else if trouble == nil || n.reach.since < trouble.reach.since {
			trouble = n
		}
		if n.writes.trouble != OK {
			writes = n
		}
	}
	status := metrics.Status{Ready: up > 0, Text: "Serving sessions from " + s.kind(all), For: s.steady(now)}
	switch {
	case all == 0:
		h := &s.route.health
		status.Text, status.LastError, status.ErrorAgo = "No server of -store was found", h.reason, now-h.last
		status.For = now - h.since
	case up == 0:
		status.Text = "The store does not answer"
		status.For = now - trouble.reach.since
	case s.route.uncovered.trouble != OK:
		h := &s.route.uncovered
		status.Text = "Slots of the cluster have no server"
		status.LastError, status.ErrorAgo, status.For = h.reason, now-h.last, now-h.since
	case up < all:
		status.Text = fmt.Sprintf("Serving sessions from %d of %d servers of the cluster", up, all)
		status.For = now - trouble.reach.since
	case writes != nil:
		status.Text = "The store refuses ADDs"
		status.For = now - writes.writes.since
		status.LastError, status.ErrorAgo = writes.writes.reason, now-writes.writes.last
	}
	if trouble != nil {
		status.Detail = "Server: " + trouble.address
		if trouble.reach.reason != "" {
			status.LastError, status.ErrorAgo = trouble.reach.reason, now-trouble.reach.last
		}
	}
	return status
}

// kind names the store.
func (s *Store) kind(nodes int) string {
	if s.route.mode == Cluster {
		return fmt.Sprintf("a cluster of %d Redis servers", nodes)
	}
	if len(s.route.nodes) > 0 && s.route.single != nil {
		return "Redis at " + s.route.single.address
	}
	return "Redis"
}

// steady is since when all is well.
func (s *Store) steady(now time.Duration) time.Duration {
	last := time.Duration(0)
	for _, n := range s.route.nodes {
		last = max(last, n.reach.since, n.writes.since)
	}
	return now - last
}
