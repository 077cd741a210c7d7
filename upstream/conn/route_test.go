package conn

import (
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"distcache/codec/address"
	"distcache/upstream"

	"golang.org/x/sys/unix"
)

// attempt goes through the endpoints until stop, or all when stop is "", and gives the
// order.
func attempt(r *route, names []string, stop string, answered bool) []string {
	var found []endpoint
	for _, name := range names {
		found = append(found, endpoint{name: name})
	}
	r.begin(found)
	var order []string
	for {
		e, _, ok := r.next()
		if !ok {
			break
		}
		if order = append(order, e.name); e.name == stop {
			break
		}
	}
	r.ended(answered)
	return order
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
				if got := attempt(&r, abc, l.stop, l.answered); !slices.Equal(got, l.want) {
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
	attempt(&r, []string{"a", "b", "c"}, "b", true)
	for _, found := range [][]string{{"c", "a", "b"}, {"a", "c", "b"}, {"b", "c", "a"}} {
		if got := attempt(&r, found, "b", true); got[0] != "b" || len(got) != 1 {
			t.Errorf("found %v: got %v tried, want b alone, which answered last", found, got)
		}
	}
	// When nothing comes of b any more, the others have their turn.
	tried := map[string]bool{}
	for _, found := range [][]string{{"d", "e", "b"}, {"b", "d", "e"}, {"b", "d", "e"}} {
		r.begin([]endpoint{{name: found[0]}, {name: found[1]}, {name: found[2]}})
		e, _, _ := r.next()
		r.ended(false)
		tried[e.name] = true
	}
	if len(tried) != 3 {
		t.Errorf("got %v tried first in three attempts, want each of the three once", tried)
	}
}

// TestRouteChanges resolves to other addresses from attempt to attempt.
func TestRouteChanges(t *testing.T) {
	var r route
	attempt(&r, []string{"a", "b", "c"}, "c", true)
	if got := attempt(&r, []string{"d"}, "", false); !slices.Equal(got, []string{"d"}) {
		t.Errorf("got %v, want the only address", got)
	}
	r.begin(nil)
	if e, _, ok := r.next(); ok {
		t.Errorf("got %v of no addresses", e)
	}
	r.ended(false)
	if got := attempt(&r, []string{"a", "b"}, "", false); len(got) != 2 {
		t.Errorf("got %v, want both addresses", got)
	}
}

func TestRouteShares(t *testing.T) {
	tests := []struct {
		endpoints   int
		first, last time.Duration
	}{
		{1, upstream.AttemptTimeout, upstream.AttemptTimeout},
		{2, upstream.AttemptTimeout / 2, upstream.AttemptTimeout},
		{8, upstream.AttemptTimeout / 8, upstream.AttemptTimeout},
		{100, leastShare, upstream.AttemptTimeout},
	}
	for _, tt := range tests {
		var r route
		r.begin(make([]endpoint, tt.endpoints))
		var shares []time.Duration
		for {
			_, share, ok := r.next()
			if !ok {
				break
			}
			shares = append(shares, share)
		}
		if shares[0] != tt.first || shares[len(shares)-1] != tt.last {
			t.Errorf("%d endpoints: got %v first and %v last, want %v and %v",
				tt.endpoints, shares[0], shares[len(shares)-1], tt.first, tt.last)
		}
	}
}

// TestZone: a link-local address is connected to on the interface that it names.
func TestZone(t *testing.T) {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	target, err := address.ParseConnect("IP:[fe80::1%lo]:9001")
	if err != nil {
		t.Fatal(err)
	}
	found, err := resolve(t.Context(), target)
	if err != nil || len(found) != 1 {
		t.Fatalf("got %v, %v, want one endpoint", found, err)
	}
	to, ok := found[0].sockaddr.(*unix.SockaddrInet6)
	if !ok || to.ZoneId != uint32(lo.Index) || to.Port != 9001 || found[0].name != "[fe80::1%lo]:9001" {
		t.Errorf("got %s, %+v, want [fe80::1%%lo]:9001 with zone %d", found[0].name, to, lo.Index)
	}
}

// TestN17ConnectionsAreNotDelayed: what is written to dc_server goes out at once, whatever
// is not acknowledged yet.
func TestN17ConnectionsAreNotDelayed(t *testing.T) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		fd, err := inet(netip.MustParseAddr(ip), 9001).socket()
		if errors.Is(err, unix.EAFNOSUPPORT) {
			continue // no IPv6 here
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := unix.GetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY); err != nil || got != 1 {
			t.Errorf("TCP_NODELAY to %s: got %d, %v, want 1", ip, got, err)
		}
		_ = unix.Close(fd)
	}
}
