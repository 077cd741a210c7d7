package network

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"distcache/internal/agent"
	"distcache/internal/test/kit"
)

// TestScaleOut follows README's “Scale out” word for word on three hosts with a dc_client each and two with a dc_server, and kills each
// process in turn under load, as a crash does: dc_clients, dc_servers and the masters of Redis. What was in flight then fails, and nothing
// else that the recipe does not say; nothing hangs, and all is well again afterwards. `make test-hosts` is this test alone.
func TestScaleOut(t *testing.T) {
	kit.NeedFull(t, "kills each process of three sites in turn")
	_, standby := readmeWords(t, "cache2 stands by")
	_, spread := readmeWords(t, "each has half of the sessions")
	_, redis := readmeWords(t, "any number of them, one cache")
	memory := []string{"-listen", "TLS:9001"} // docs/TLS.md
	for _, row := range []struct {
		name           string
		client, server []string
	}{{"cache2 stands by", standby, memory}, {"each has half of the sessions", spread, memory}, {"one cache in Redis", standby, redis}} {
		t.Run(row.name, func(t *testing.T) {
			o := &outages{site: newSite(t, row.client, row.server), jitter: kit.MeasureJitter(t)}
			o.traffic = startTraffic(t, row.name, o.sockets())
			o.traffic.settle(time.Now())
			for i := range o.clients {
				o.killClient(i)
			}
			for i := range o.servers {
				o.killServer(i)
			}
			for range len(o.redis) / 2 {
				o.killMaster()
			}
			o.judge()
		})
	}
}

// killClient: on its host connections end, and there is nobody to connect to until it is back; other hosts notice nothing.
func (o *outages) killClient(i int) {
	o.t.Helper()
	d := o.clients[i]
	k := o.during(d.name, d.Process, func() { d.Process = d.start() })
	k.late += k.lostInAll() // no connection ends but for silence, of a busy machine
	o.mustOnly(k, "its host", func(a *asked) bool {
		return a.host == i && (a.fate == closed || a.fate == hungUp && !a.from.After(k.to))
	})
}

// killServer: each dc_client loses what was in flight there. What comes meanwhile the other one serves; with -spread, its share is refused.
func (o *outages) killServer(i int) {
	o.t.Helper()
	d, spread, serving := o.servers[i], o.has(o.client, "-spread"), i == 0
	k := o.during(d.name, d.Process, func() {
		if !spread {
			o.traffic.settle(time.Now()) // before it is back
		}
		lines := o.takeovers(d)
		d.Process = d.start()
		for n, c := range o.clients { // else it would take over within the next outage
			if spread || serving {
				c.Wait(patience, "takeover", func() bool { return o.takeovers(d)[n] > lines[n] })
			}
		}
	})
	lost := make([]int, len(o.clients))
	o.mustOnly(k, "what was in flight", func(a *asked) bool {
		switch {
		case a.fate == gone || a.fate == returned:
			return o.redis == nil && a.fate == gone && (spread || serving)
		case a.fate == declined && !spread:
			lost[a.host]++
			return lost[a.host] <= k.lost[a.host]
		}
		return a.fate == declined
	})
	if spread && 4*k.counts[declined] > 3*len(k.all) {
		o.t.Errorf("%s: got %d of %d requests DISCONNECTED, want its share of half, while it was away", k.what, k.counts[declined], len(k.all))
	}
	if !spread && !serving && k.counts[declined] > k.late {
		o.t.Errorf("%s, which stood by: got %d requests DISCONNECTED, want none", k.what, k.counts[declined])
	}
}

// takeovers is how often each dc_client has logged that it uses that dc_server from now on.
func (o *outages) takeovers(d *daemon) (all []int) {
	name := "TLS:" + strings.TrimPrefix(d.name, "dc_server on ")
	line := `now using this dc_server server="` + name
	if o.has(o.client, "-spread") {
		line = "connected to dc_server server=" + name
	}
	for _, c := range o.clients {
		all = append(all, strings.Count(c.Stderr(), line))
	}
	return all
}

func (o *outages) has(words []string, flag string) bool {
	return strings.Contains(" "+strings.Join(words, " ")+" ", " "+flag+" ")
}

// killMaster: sessions in its slots are refused until its replica has taken over; what that had not received is lost, and what was removed
// may be back. All other slots are served on.
func (o *outages) killMaster() {
	o.t.Helper()
	var n *redisNode
	for _, r := range o.redis {
		if !o.killed[r.host] && r.isMaster() && n == nil {
			n = r
		}
	}
	if n == nil {
		o.t.Fatal("got no master that was not killed, want one")
	}
	o.killed = map[string]bool{n.host: true}
	slots := n.slots()
	k := o.during(fmt.Sprintf("redis-server on %s, master of %d slots", n.host, len(slots)), n.Process, func() {
		kit.Wait(o.t, patience, "a replica to take over", func() bool { return o.covered(n) })
		o.traffic.settle(time.Now())
		n.restart()
		kit.Wait(o.t, patience, "cluster to serve", n.inService)
	})
	k.late += k.lostInAll()
	inFlight, later := 0, 0
	o.mustOnly(k, "its slots", func(a *asked) bool {
		ours := slots[o.slotOf(a.id)] && (a.fate == declined || a.fate == gone || a.fate == returned)
		if ours && a.from.Before(k.to) {
			inFlight++
		} else if ours {
			later++
		}
		return ours
	})
	o.t.Logf("%s: of its slots failed %d that were in flight, and %d until a replica had taken over", k.what, inFlight, later)
}

// covered reports whether all slots have a master without n.
func (o *outages) covered(n *redisNode) bool {
	count := 0
	for _, r := range o.redis {
		if r != n && r.isMaster() {
			count += len(r.slots())
		}
	}
	return count == 16384
}

// judge ends the traffic, and holds how long each request took: a request that waits for another dc_server, and then for its answer.
func (o *outages) judge() {
	o.t.Helper()
	o.traffic.end()
	all, slowest := o.traffic.since(time.Time{}), time.Duration(0)
	counts := outage{}
	for _, a := range all {
		slowest = max(slowest, a.to.Sub(a.from))
		counts.counts[a.fate]++
	}
	o.t.Logf("in all %d requests: %v; the slowest took %v", len(all), &counts, slowest.Round(time.Millisecond))
	o.jitter.MustTake(o.t, "the slowest request", slowest, 0, agent.FirstWait+timeout+kit.Promptly)
}
