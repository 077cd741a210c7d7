package front

import (
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/engine/deadline"
)

// TestTimeouts holds when clients that keep us waiting are ended: not a moment before,
// and at that moment.
func TestTimeouts(t *testing.T) {
	tests := []struct {
		name string
		act  func(r *rig)
		want time.Duration
		why  Reason
	}{
		{"idle from the start", func(*rig) {}, idleTime, IdleTimeout},
		{"idle after an answer", func(r *rig) {
			r.at(3 * time.Second)
			r.mustSend(1, get("a"))
		}, 3*time.Second + idleTime, IdleTimeout},
		{"idle after an answer that took long", func(r *rig) {
			r.mode = waits
			r.mustSend(1, get("a"))
			r.at(time.Hour)
			r.reply(1)
		}, time.Hour + idleTime, IdleTimeout},
		{"idle after reading an answer late", func(r *rig) {
			r.held = true
			r.mustSend(1, get("a"))
			r.at(ReadTimeout - 1)
			r.Drained(1, r.now)
		}, ReadTimeout - 1 + idleTime, IdleTimeout},
		{"half a request", func(r *rig) {
			r.at(time.Second)
			r.mustSend(1, get("a")[:1])
		}, time.Second + WholeTimeout, PartialTimeout},
		{"more of it changes nothing", func(r *rig) {
			r.mustSend(1, get("a")[:1])
			r.at(time.Second)
			r.mustSend(1, get("a")[1:9])
		}, WholeTimeout, PartialTimeout},
		{"N06 enough of a large one gives new time", func(r *rig) {
			r.mustSend(1, get(strings.Repeat("a", 20_000))[:10])
			r.at(time.Second)
			r.mustSend(1, get(strings.Repeat("a", 20_000))[10:10+PaceBytes])
		}, time.Second + WholeTimeout, PartialTimeout},
		{"a byte less than enough does not", func(r *rig) {
			r.mustSend(1, get(strings.Repeat("a", 20_000))[:10])
			r.at(time.Second)
			r.mustSend(1, get(strings.Repeat("a", 20_000))[10:9+PaceBytes])
		}, WholeTimeout, PartialTimeout},
		{"enough once gives new time once", func(r *rig) {
			r.mustSend(1, get(strings.Repeat("a", 20_000))[:10+PaceBytes])
			r.at(time.Second)
			r.mustSend(1, get(strings.Repeat("a", 20_000))[10+PaceBytes:9+2*PaceBytes])
		}, WholeTimeout, PartialTimeout},
		{"half the next request, in one read with the last", func(r *rig) {
			r.at(time.Second)
			r.mustSend(1, slices.Concat(get("a"), get("b")[:4]))
		}, time.Second + WholeTimeout, PartialTimeout},
		{"half the next request, from the answer on", func(r *rig) {
			r.mode = waits
			r.mustSend(1, slices.Concat(get("a"), get("b")[:4]))
			r.at(time.Minute)
			r.reply(1)
		}, time.Minute + WholeTimeout, PartialTimeout},
		{"a new half request has new time", func(r *rig) {
			r.mustSend(1, get("a")[:4])
			r.at(time.Second)
			r.mustSend(1, slices.Concat(get("a")[4:], get("b")[:4]))
		}, time.Second + WholeTimeout, PartialTimeout},
		{"answers unread", func(r *rig) {
			r.at(time.Second)
			r.held = true
			r.mustSend(1, get("a"))
		}, time.Second + ReadTimeout, UnreadTimeout},
		{"more answers unread change nothing", func(r *rig) {
			r.mode = waits
			r.mustSend(1, get("a"))
			r.block(1)
			r.at(time.Second)
			r.held = true
			r.reply(1)
		}, ReadTimeout, UnreadTimeout},
		{"answers read at the least pace", func(r *rig) {
			r.held, r.unread = true, 100_000
			r.mustSend(1, get("a"))
			for n := time.Duration(1); n <= 3; n++ {
				r.at(n*(ReadTimeout-readCheck) - 1)
				r.unread -= PaceBytes
			}
		}, 3*(ReadTimeout-readCheck) + ReadTimeout, UnreadTimeout},
		{"answers read too slowly", func(r *rig) {
			r.held, r.unread = true, 100_000
			r.mustSend(1, get("a"))
			r.unread -= PaceBytes - 1
		}, ReadTimeout, UnreadTimeout},
		{"answers read, and as many come", func(r *rig) {
			r.mode, r.unread = waits, 100_000
			r.mustSend(1, get("a"))
			r.block(1)
			r.held, r.unread = true, 100_000+3*PaceBytes
			r.reply(1)
			r.unread -= PaceBytes
		}, readCheck + ReadTimeout, UnreadTimeout},
		{"answers unread, half a request behind", func(r *rig) {
			r.held = true
			r.mustSend(1, slices.Concat(get("a"), get("b")[:4]))
		}, ReadTimeout, UnreadTimeout},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t)
			r.come(1)
			tt.act(r)
			r.at(tt.want - 1) // unread answers are looked at before
			r.mustDrop()
			if got := r.Deadline(); got != tt.want {
				t.Fatalf("got a deadline at %v, want %v", got, tt.want)
			}
			r.Expire(tt.want)
			r.mustDrop(tt.why)
		})
	}
}

// TestNoTimeout is a client with a request open, or parked: we keep it waiting.
func TestNoTimeout(t *testing.T) {
	for _, m := range []mode{waits, parks} {
		r := newRig(t)
		r.mode = m
		r.come(1)
		r.mustSend(1, get("a"))
		if got := r.Deadline(); got != deadline.Never {
			t.Errorf("mode %d: got a deadline at %v, want never", m, got)
		}
	}
}

func TestIdleNever(t *testing.T) {
	r := newRigWith(t, deadline.Never, 1<<20)
	r.come(1)
	r.Expire(1000 * time.Hour)
	r.mustDrop()
}

// TestExpireInParts ends a crowd of idle clients a few at a time, so that the loop gets
// to others in between.
func TestExpireInParts(t *testing.T) {
	r := newRig(t)
	const clients = 1000
	for c := range clients {
		r.come(c)
	}
	for want := clients; want > 0; want -= expirePerCall {
		if r.Deadline() > idleTime {
			t.Fatalf("got a deadline at %v with %d clients left, want it in the past", r.Deadline(), want)
		}
		before := len(r.closed)
		r.Expire(idleTime)
		if got := len(r.closed) - before; got != min(want, expirePerCall) {
			t.Errorf("got %d ended in one go, want %d", got, min(want, expirePerCall))
		}
	}
	if got := r.Counters.Dropped[IdleTimeout]; got != clients {
		t.Errorf("got %d counted, want %d", got, clients)
	}
}
