package redis

import (
	"fmt"
	"testing"

	"distcache/codec"
)

// manyServers is a cluster of n servers, each with its share of the slots.
func manyServers(n int) topology {
	t := topology{mode: Cluster}
	for i := range n {
		t.ranges = append(t.ranges, slotRange{i * slots / n, (i+1)*slots/n - 1, fmt.Sprint("s", i, ":1")})
	}
	return t
}

// underWay is how many commands all servers have, and how many servers have some.
func (r *rig) underWay() (commands, servers int) {
	for _, l := range r.links {
		for _, b := range l.running {
			commands += len(b.commands)
		}
		servers += min(1, len(l.running))
	}
	return commands, servers
}

// TestUnderWayIsBounded: replies take memory, so that commands under way are bounded whatever the number of servers; each
// server has its share of them, so that one that hangs holds up no other. All are answered in the end.
func TestUnderWayIsBounded(t *testing.T) {
	for _, n := range []int{1, 16, maxNodes} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			r := emptyRig(t, Config{Prefix: "p:", Timeout: 150 * ms})
			r.Start(0)
			for i, servers := range []int{min(n, 4), n} { // the second time, batches are there from when there were fewer
				if i > 0 {
					r.lookSoon(r.now)
					r.pass(lookPause)
				}
				r.look(manyServers(servers), nil)
				for address, l := range r.links {
					if len(l.probes) > 0 {
						r.alive(address)
					}
				}
				for i := range maxOpen / 2 {
					r.put(codec.OpGet, fmt.Sprint(servers, " ", i))
				}
				r.Flush(r.now)
				commands, busy := r.underWay()
				if commands > maxUnderWay || busy == 0 {
					t.Errorf("%d servers: got %d commands under way, want %d at most", servers, commands, maxUnderWay)
				}
				if commands < maxUnderWay/2 && servers >= 16 {
					t.Errorf("%d servers: got %d commands under way, want about %d", servers, commands, maxUnderWay)
				}
			}
			for commands, _ := r.underWay(); commands > 0; commands, _ = r.underWay() {
				for _, l := range r.links {
					if len(l.running) > 0 {
						l.finish(0, good)
					}
				}
			}
			for uid := range r.uid {
				r.want(uid+1, codec.StatusNotOK)
			}
			if r.Store.underWay != 0 {
				t.Errorf("got %d commands counted as under way, want none", r.Store.underWay)
			}
		})
	}
}

// TestEachServerHasItsShare: one that hangs takes no more than that.
func TestEachServerHasItsShare(t *testing.T) {
	r := emptyRig(t, Config{Prefix: "p:", Timeout: 150 * ms})
	r.Start(0)
	r.look(manyServers(maxNodes), nil)
	for address := range r.links {
		r.alive(address)
	}
	for i := range maxOpen {
		r.put(codec.OpGet, fmt.Sprint(i))
	}
	r.Flush(r.now)
	if commands, servers := r.underWay(); commands != maxUnderWay || servers != maxNodes {
		t.Errorf("got %d commands under way to %d servers, want %d to %d", commands, servers, maxUnderWay, maxNodes)
	}
}
