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

// outages kill the processes of a site, and hold what each kill cost.
type outages struct {
	*site
	traffic *traffic
	jitter  *kit.Jitter
	killed  map[string]bool // masters
}

// outage is one kill.
type outage struct {
	what     string
	from, to time.Time // when the process ended: between the two
	back     time.Time // the last request that failed
	all      []asked   // from then on, until all was well
	counts   [numFates]int
	before   []map[string]int // the figures of each daemon
	late     int              // requests that failed because this machine is busy
	lost     []int            // with the connection to a dc_server, by dc_client
}

// during kills p and lets things go on until all is well; then finds out what it cost.
func (o *outages) during(what string, p *kit.Process, then func()) *outage {
	o.t.Helper()
	k := &outage{what: what, before: o.disconnected(), from: time.Now()}
	p.Kill()
	k.to = time.Now()
	then()
	k.back = o.traffic.settle(k.from)
	k.all = o.traffic.since(k.from)
	open := 0
	for _, a := range k.all {
		k.counts[a.fate]++
		if a.openAt(k.from) {
			open++
		}
	}
	o.account(k)
	o.t.Logf("%s: %d requests until all was well; %d were open at the kill; %v; lost with a connection to dc_server %v; the last one failed %v after it",
		what, len(k.all), open, k, k.lost, k.back.Sub(k.from).Round(time.Millisecond))
	for _, f := range []fate{wrong, hanging} {
		if k.counts[f] > 0 {
			o.t.Errorf("%s: got %d requests %v, want none", what, k.counts[f], f)
		}
	}
	return k
}

// String is what became of the requests.
func (k *outage) String() string {
	text := ""
	for f, n := range k.counts {
		if n > 0 {
			text += fmt.Sprintf(", %d %v", n, fate(f))
		}
	}
	return strings.TrimPrefix(text, ", ")
}

// lostInAll is how many requests were lost with connections to dc_servers.
func (k *outage) lostInAll() (sum int) {
	for _, n := range k.lost {
		sum += n
	}
	return sum
}

// disconnected are the figures of all daemons that tell why requests failed.
func (o *outages) disconnected() (all []map[string]int) {
	for _, d := range o.clients {
		all = append(all, o.figures(d, "distcache_disconnected_total"))
	}
	for _, d := range o.servers {
		all = append(all, o.figures(d, "distcache_store_errors_total"))
	}
	return all
}

// patiently is how long a request waits at least before a daemon gives it up: -storetimeout.
const patiently = 150 * time.Millisecond

// account reads what the daemons have counted since the kill. One that was killed has begun anew. Requests that find no connection
// are late where one has waited for it in vain.
func (o *outages) account(k *outage) {
	waited := map[int]bool{}
	for _, a := range k.all {
		if a.fate == declined && a.to.Sub(a.from) >= patiently {
			waited[a.host] = true
		}
	}
	for i, after := range o.disconnected() {
		for name, n := range after {
			if n >= k.before[i][name] {
				n -= k.before[i][name]
			}
			switch {
			case strings.Contains(name, `"lost"`):
				k.lost = append(k.lost, n)
			case strings.Contains(name, `"timeout"`), strings.Contains(name, `kind="late"`), strings.Contains(name, `"no-connection"`) && waited[i]:
				k.late += n
			case n > 0 && strings.Contains(name, `"full"`):
				o.t.Errorf("%s: got %d of %s, want none", k.what, n, name)
			}
		}
	}
}

// mustOnly holds that all requests that failed are excused, but for those that were late because the machine is.
func (o *outages) mustOnly(k *outage, rule string, excused func(*asked) bool) {
	o.t.Helper()
	others, first := 0, ""
	for i := range k.all {
		if a := &k.all[i]; a.fate != served && !excused(a) {
			others++
			first = fmt.Sprintf("%v %q on host %d: %v, %v to %v after the kill", a.op, a.id, a.host, a.fate, a.from.Sub(k.from), a.to.Sub(k.from))
		}
	}
	switch {
	case others > k.late:
		o.t.Errorf("%s: got %d failures besides those of %s, and %d that were late, want none; one of them: %s", k.what, others, rule, k.late, first)
	case others > 0:
		kit.TooSlow(o.t, "%s: %d requests were late", k.what, others)
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
	line := `this dc_server serves from now on server="` + name
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
