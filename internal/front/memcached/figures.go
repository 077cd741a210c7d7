package memcached

import (
	"strconv"
	"time"

	"distcache/codec/memcached"
	"distcache/internal/daemon/metrics"
)

// shareEvery is after how many requests of a loop the others learn of them.
const shareEvery = 64

// Counters are totals since start.
type Counters struct {
	Connections uint64                       // clients that came
	Open        uint64                       // of those, still there
	Gets        uint64                       // keys that were asked for
	Stores      uint64                       // sets and adds
	Deletes     uint64                       // of those, Ignored were ignored
	Others      uint64                       // all else that was answered
	Hits        uint64                       // gets that brought a session
	Misses      uint64                       // gets that did not
	Replaced    uint64                       // sets of an ID that was there
	Ignored     uint64                       // deletes that -remove ignore passed over
	Refused     [numRefusals]uint64          // requests, by Refusal
	TooLong     uint64                       // hits that were a miss for the length of the value
	Concealed   [memcached.Delete + 1]uint64 // failures of the cache that were told as a miss or a success, by Verb
	Read        uint64                       // bytes
	Written     uint64                       // bytes
}

const numRefusals = memcached.Flags + 1

// count counts a request that was taken.
func (n *Counters) count(r *memcached.Request, ignore bool) {
	if r.Refusal != memcached.None {
		n.Refused[r.Refusal]++
		return
	}
	switch r.Head.Verb {
	case memcached.Get:
		n.Gets++
	case memcached.Set, memcached.Add:
		n.Stores++
	case memcached.Delete:
		n.Deletes++
		if ignore {
			n.Ignored++
		}
	default:
		n.Others++
	}
}

// Add adds what stats tells of o to n.
func (n *Counters) Add(o *Counters) {
	n.Connections += o.Connections
	n.Open += o.Open
	n.Gets += o.Gets
	n.Stores += o.Stores
	n.Deletes += o.Deletes
	n.Hits += o.Hits
	n.Misses += o.Misses
	n.Read += o.Read
	n.Written += o.Written
}

// share tells the other loops the counters of w.
func (w *Wire) share() { w.config.Share(&w.Counters) }

// appendStats appends the answer to stats, under the names of memcached.
func (w *Wire) appendStats(dst []byte) []byte {
	w.share()
	sum, loops := w.config.Sum()
	for _, line := range [...]struct {
		name  string
		value uint64
	}{
		{"pid", uint64(w.config.PID)},
		{"uptime", uint64(w.config.Uptime() / time.Second)},
		{"time", uint64(w.config.UnixNow())},
		{"pointer_size", strconv.IntSize},
		{"curr_connections", sum.Open},
		{"total_connections", sum.Connections},
		{"connection_structures", sum.Open},
		{"cmd_get", sum.Gets},
		{"cmd_set", sum.Stores},
		{"total_items", sum.Stores},
		{"get_hits", sum.Hits},
		{"get_misses", sum.Misses},
		{"cmd_delete", sum.Deletes},
		{"bytes_read", sum.Read},
		{"bytes_written", sum.Written},
		{"threads", uint64(loops)},
	} {
		dst = memcached.AppendStat(dst, line.name, line.value)
	}
	dst = append(append(append(dst, "STAT version "...), memcached.Version...), "\r\n"...)
	return memcached.AppendEnd(dst)
}

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
