package network

import (
	"fmt"
	"strings"
	"time"

	"distcache/internal/test/kit"
)

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
