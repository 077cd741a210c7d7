package tlscache

import "sync/atomic"

// Counts are totals since New.
type Counts struct {
	Stored    uint64 // sessions that the cache took
	NotStored uint64 // sessions that it did not take: their tickets lead to full handshakes
	Found     uint64 // tickets whose session was found; crypto/tls may still refuse to resume it
	Missing   uint64 // tickets whose session was not in the cache: expired, evicted, used up, or never there
	NotLoaded uint64 // tickets for which the cache gave no answer, or a value that does not open
}

// counters are Counts while handshakes go on.
type counters struct{ stored, notStored, found, missing, notLoaded atomic.Uint64 }

// Counts returns the totals.
func (t *Tickets) Counts() Counts {
	c := &t.counts
	return Counts{Stored: c.stored.Load(), NotStored: c.notStored.Load(), Found: c.found.Load(),
		Missing: c.missing.Load(), NotLoaded: c.notLoaded.Load()}
}
