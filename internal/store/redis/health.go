package redis

import "time"

// calm is how long nothing may have failed before a server is called well again: of errors and successes in turn, only the
// first is news.
const calm = 100 * time.Millisecond

// health follows one thing that may be in trouble, and tells when that changes.
type health struct {
	trouble Kind // OK: there is none
	reason  string
	since   time.Duration // of trouble, or of there being none
	last    time.Duration // the last failure
	failed  uint64        // requests, since
}

// Change is a line for the log: a server got into trouble, or out of it.
type Change struct {
	Address string
	Writes  bool   // it is about ADDs alone
	Was, Is Kind   // OK: no trouble
	Reason  string // of trouble
	For     time.Duration
	Failed  uint64 // requests that failed meanwhile
}

// bad notes that n requests failed. It reports whether that is another trouble than before.
func (h *health) bad(k Kind, reason string, n uint64, now time.Duration) (c Change, news bool) {
	if h.trouble != k {
		c, news = h.to(k, reason, now), true
	}
	h.last, h.reason = now, reason
	h.failed += n
	return c, news
}

// good notes a success. It reports whether that ends a trouble.
func (h *health) good(now time.Duration) (c Change, news bool) {
	if h.trouble == OK || now-h.last < calm && !h.trouble.unreachable() {
		return c, false
	}
	return h.to(OK, "", now), true
}

func (h *health) to(k Kind, reason string, now time.Duration) Change {
	c := Change{Was: h.trouble, Is: k, Reason: reason, For: now - h.since, Failed: h.failed}
	h.trouble, h.reason, h.since, h.failed = k, reason, now, 0
	return c
}
