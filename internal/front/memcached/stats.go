package memcached

import (
	"strconv"
	"time"

	"distcache/codec/memcached"
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
