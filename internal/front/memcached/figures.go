package memcached

import (
	"distcache/codec/memcached"
	"distcache/internal/daemon/metrics"
)

// verbs are the names of the verbs that have figures of their own.
var verbs = [...]string{memcached.Get: "get", memcached.Set: "set", memcached.Add: "add", memcached.Delete: "delete"}

// refusals are the names of the refusals in figures.
var refusals = [numRefusals]string{memcached.Unknown: "unknown-command", memcached.BadLine: "bad-arguments", memcached.BadUsage: "bad-usage",
	memcached.BadChunk: "bad-value", memcached.TooLarge: "too-large", memcached.Flags: "flags"}

// Figures are the figures of clients that speak memcached's protocols.
var Figures = []metrics.Figure[Counters]{
	{Description: metrics.Description{Name: "distcache_memcached_requests_total", Kind: metrics.Counter, Labels: []string{"command"},
		Help: "Keys asked for, stores, deletes and all else (other) by memcached's protocols (-memcached)"},
		Read: func(c *Counters, put func(float64, ...string)) {
			put(float64(c.Gets), "get")
			put(float64(c.Stores), "store")
			put(float64(c.Deletes), "delete")
			put(float64(c.Others), "other")
		}},
	{Description: metrics.Description{Name: "distcache_memcached_concealed_total", Kind: metrics.Counter, Labels: []string{"command"},
		Help: "Failures of the cache that were told as a miss (get, delete) or as a success (set, add): clients of -memcached suffer from errors"},
		Read: func(c *Counters, put func(float64, ...string)) {
			for verb, n := range c.Concealed {
				put(float64(n), verbs[verb])
			}
		}},
	{Description: metrics.Description{Name: "distcache_memcached_refused_total", Kind: metrics.Counter, Labels: []string{"reason"},
		Help: "Requests of clients of -memcached that were answered by an error"},
		Read: func(c *Counters, put func(float64, ...string)) {
			for why, n := range c.Refused {
				if refusals[why] != "" {
					put(float64(n), refusals[why])
				}
			}
		}},
	{Description: metrics.Description{Name: "distcache_memcached_replaced_total", Kind: metrics.Counter,
		Help: "Sets of a session ID that was there: it was removed and added"},
		Read: func(c *Counters, put func(float64, ...string)) { put(float64(c.Replaced)) }},
	{Description: metrics.Description{Name: "distcache_memcached_removes_ignored_total", Kind: metrics.Counter,
		Help: "Deletes that had no effect because of -remove ignore"},
		Read: func(c *Counters, put func(float64, ...string)) { put(float64(c.Ignored)) }},
	{Description: metrics.Description{Name: "distcache_memcached_too_long_total", Kind: metrics.Counter,
		Help: "Sessions over 16,380 bytes that a binary GET was told to be a miss: nghttpx would end"},
		Read: func(c *Counters, put func(float64, ...string)) { put(float64(c.TooLong)) }},
}
