package redis

import (
	"fmt"
	"time"

	"distcache/internal/daemon/metrics"
)

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
