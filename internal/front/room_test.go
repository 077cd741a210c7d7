package front

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"distcache/engine/deadline"
)

// newYieldingRig is one whose idle clients make room.
func newYieldingRig(t *testing.T, idle time.Duration) *rig {
	r := newRig(t)
	r.Front = New(Config{Window: 2, Gets: 2, Ordered: true, Idle: idle, Yields: true}, NewDistcache(), r, r, r.pool)
	return r
}

// makeRoom reports which client was closed; late are those that have sent something that was not read.
func (r *rig) makeRoom(late ...int) string {
	r.closed, r.drops = nil, nil
	var hungUp []int
	made := r.MakeRoom(func(c int) bool {
		hungUp = append(hungUp, c)
		return !slices.Contains(late, c)
	}, r.now)
	if made != (len(r.closed) == 1) || made != slices.Equal(r.drops, []Reason{Displaced}) {
		r.t.Errorf("got %v, closed %v for %v, want both or neither", made, r.closed, r.drops)
	}
	got := fmt.Sprint(hungUp) + fmt.Sprint(r.closed)
	r.closed, r.drops = nil, nil
	return got
}

// TestMakeRoom: the client that was answered longest ago goes first. One that has not asked yet, that
// has a request open or one half sent, or that does not read, stays.
func TestMakeRoom(t *testing.T) {
	for _, idle := range []time.Duration{idleTime, deadline.Never} {
		r := newYieldingRig(t, idle)
		r.come(1, 2, 3, 4, 5, 6)
		for _, c := range []int{3, 2, 4, 5, 6, 3} {
			r.now += time.Millisecond
			r.mustSend(c, get("a"))
		}
		r.mustSend(4, get("half")[:5])
		r.mode = waits
		r.mustSend(5, get("open"))
		r.block(6)
		for _, want := range []string{"[2][2]", "[3][3]", "[][]"} {
			if got := r.makeRoom(); got != want {
				t.Errorf("idle %v: got hung up and closed %s, want %s", idle, got, want)
			}
		}
		r.reply(5)
		if got := r.makeRoom(); got != "[5][5]" {
			t.Errorf("idle %v, answered: got %s, want client 5 closed", idle, got)
		}
		if got := r.Counters.Dropped[Displaced]; got != 3 {
			t.Errorf("got %d counted, want 3", got)
		}
	}
}

// TestMakeRoomKeepsARequest: one that has just asked gets its answer, then its end, and another goes.
func TestMakeRoomKeepsARequest(t *testing.T) {
	r := newYieldingRig(t, idleTime)
	r.come(1, 2)
	r.mustSend(1, get("a"))
	r.mustSend(2, get("b"))
	r.writes = nil
	if got := r.makeRoom(1); got != "[1 2][2]" {
		t.Fatalf("got hung up and closed %s, want both hung up and 2 closed", got)
	}
	r.mustSend(1, get("c"))
	r.Ended(1, r.now)
	r.mustWrite(answerTo("c"))
	r.mustEnd(1)
}

// mustEnd wants c closed, and no reason told.
func (r *rig) mustEnd(c int) {
	r.t.Helper()
	if !slices.Equal(r.closed, []int{c}) || len(r.drops) > 0 {
		r.t.Errorf("got closed %v for %v, want %d at its own wish", r.closed, r.drops, c)
	}
}

// TestMakeRoomLooksAtFew: a turn does not go through all clients.
func TestMakeRoomLooksAtFew(t *testing.T) {
	r := newYieldingRig(t, idleTime)
	var all []int
	for c := range 2 * roomTries {
		r.come(c)
		r.mustSend(c, get("a"))
		all = append(all, c)
	}
	if got, want := r.makeRoom(all...), fmt.Sprint(all[:roomTries])+"[]"; got != want {
		t.Errorf("got hung up and closed %s, want %s", got, want)
	}
}

// TestIdleWhereItYields: -idle counts there, too.
func TestIdleWhereItYields(t *testing.T) {
	r := newYieldingRig(t, idleTime)
	r.come(1, 2)
	r.at(time.Second)
	r.mustSend(1, get("a"))
	r.at(time.Second + idleTime)
	if !slices.Equal(r.drops, []Reason{IdleTimeout, IdleTimeout}) || !slices.Equal(r.closed, []int{2, 1}) {
		t.Errorf("got closed %v for %v, want both, for the idle time", r.closed, r.drops)
	}
	r.drops, r.closed = nil, nil
}

// TestNoRoomElsewhere: clients of dc_server, and those of memcached, stay.
func TestNoRoomElsewhere(t *testing.T) {
	r := newRig(t)
	r.come(1)
	r.mustSend(1, get("a"))
	if got := r.makeRoom(); got != "[][]" {
		t.Errorf("got hung up and closed %s, want none", got)
	}
}
