package conn

import (
	"slices"
	"testing"
	"time"

	"distcache/upstream"
)

// try goes through the endpoints until stop, or all when stop is "", and gives the
// order.
func (r *route) try(names []string, stop string, answered bool) []string {
	var found []endpoint
	for _, name := range names {
		found = append(found, endpoint{name: name})
	}
	order := r.order(found)
	var tried []string
	for _, e := range order {
		if tried = append(tried, e.name); e.name == stop {
			break
		}
	}
	*r = r.after(order, len(tried), answered)
	return tried
}

func TestRoute(t *testing.T) {
	type leg struct {
		stop     string // the endpoint with which the attempt ended; "": none was left
		answered bool
		want     []string
	}
	abc := []string{"a", "b", "c"}
	tests := []struct {
		name string
		legs []leg
	}{
		{"all refuse: the order stays", []leg{{"", false, abc}, {"", false, abc}}},
		{"the last to answer comes first", []leg{
			{"b", true, []string{"a", "b"}}, {"b", true, []string{"b"}}, {"", false, []string{"b", "c", "a"}}}},
		{"time ran out: the next in turn", []leg{
			{"b", false, []string{"a", "b"}}, {"c", false, []string{"c"}}, {"", false, abc}}},
		{"one that accepts and never answers", []leg{
			{"a", false, []string{"a"}}, {"b", true, []string{"b"}}, {"c", true, []string{"b", "c"}}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var r route
			for i, l := range tt.legs {
				if got := r.try(abc, l.stop, l.answered); !slices.Equal(got, l.want) {
					t.Errorf("attempt %d: got %v, want %v", i+1, got, l.want)
				}
			}
		})
	}
}

// TestN13RouteFollowsTheAddress is a name server that gives the addresses in another order
// each time, as most do.
func TestN13RouteFollowsTheAddress(t *testing.T) {
	var r route
	r.try([]string{"a", "b", "c"}, "b", true)
	for _, found := range [][]string{{"c", "a", "b"}, {"a", "c", "b"}, {"b", "c", "a"}} {
		if got := r.try(found, "b", true); got[0] != "b" || len(got) != 1 {
			t.Errorf("found %v: got %v tried, want b alone, which answered last", found, got)
		}
	}
	// When nothing comes of b any more, the others have their turn.
	tried := map[string]bool{}
	for _, found := range [][]string{{"d", "e", "b"}, {"b", "d", "e"}, {"b", "d", "e"}} {
		order := r.order([]endpoint{{name: found[0]}, {name: found[1]}, {name: found[2]}})
		r = r.after(order, 1, false)
		tried[order[0].name] = true
	}
	if len(tried) != 3 {
		t.Errorf("got %v tried first in three attempts, want each of the three once", tried)
	}
}

// TestRouteChanges resolves to other addresses from attempt to attempt.
func TestRouteChanges(t *testing.T) {
	var r route
	r.try([]string{"a", "b", "c"}, "c", true)
	if got := r.try([]string{"d"}, "", false); !slices.Equal(got, []string{"d"}) {
		t.Errorf("got %v, want the only address", got)
	}
	if order := r.order(nil); len(order) != 0 {
		t.Errorf("got %v of no addresses", order)
	}
	r = r.after(nil, 0, false)
	if got := r.try([]string{"a", "b"}, "", false); len(got) != 2 {
		t.Errorf("got %v, want both addresses", got)
	}
}

// TestRouteKeepsItsSnapshots: an attempt goes on with the route that it began with.
func TestRouteKeepsItsSnapshots(t *testing.T) {
	var r route
	r.try([]string{"a", "b"}, "b", true)
	snapshot := r
	r.try([]string{"a", "b"}, "", false)
	if got := snapshot.try([]string{"a", "b"}, "", false); got[0] != "b" {
		t.Errorf("got %v, want b first, as when the snapshot was taken", got)
	}
}

func TestRouteShares(t *testing.T) {
	for _, tt := range []struct {
		endpoints int
		want      time.Duration
	}{
		{2, upstream.AttemptTimeout / 2},
		{8, upstream.AttemptTimeout / 8},
		{100, leastShare},
	} {
		if got := share(tt.endpoints); got != tt.want {
			t.Errorf("%d endpoints: got %v, want %v", tt.endpoints, got, tt.want)
		}
	}
}
