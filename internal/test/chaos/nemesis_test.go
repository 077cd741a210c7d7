package chaos

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"syscall"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

// nemesis breaks things. It is for the test's goroutine.
type nemesis struct {
	t      testing.TB
	random *rand.Rand
	quit   <-chan struct{}
	kills  *kills
	// failovers are those of a cluster, in the same form: begin is before a master ended, end is after its replica took over.
	failovers *kills

	ledger *ledger

	at      kit.Endpoint // of dc_server
	asks    kit.Endpoint // of dc_client A
	server  *kit.Process
	agents  []*kit.Process
	between *link          // dc_clients and dc_server
	link    *kit.Proxy     // between dc_client B and dc_server
	front   *kit.Proxy     // between some clients and dc_client A
	done    map[string]int // faults by name
}

// fault is one thing to break, and how often it is done among the others.
type fault struct {
	name   string
	weight int
	do     func(n *nemesis)
}

// always is how many of the faults, the first ones, every run has, beside those of its link.
const always = 2

func faults() []fault {
	return []fault{
		{"killed", 5, func(n *nemesis) { n.kill(); n.restart(400 * time.Millisecond) }},
		{"frozen", 4, func(n *nemesis) { n.freeze(time.Second) }},
		{"frozen, then killed", 1, (*nemesis).killFrozen},
		{"link reset", 2, func(n *nemesis) { n.link.Reset() }},
		{"link stalled", 2, func(n *nemesis) { n.stall(n.link, 800*time.Millisecond) }},
		{"link swallowed", 2, (*nemesis).swallow},
		{"link refused", 1, (*nemesis).refuse},
		{"link cut", 2, func(n *nemesis) { n.cut(n.link) }},
		{"link in crumbs", 2, func(n *nemesis) { n.crumble(n.link) }},
		{"clients reset", 2, func(n *nemesis) { n.front.Reset() }},
		{"clients stalled", 1, func(n *nemesis) { n.stall(n.front, 300*time.Millisecond) }},
		{"clients cut", 2, func(n *nemesis) { n.cut(n.front) }},
		{"clients in crumbs", 2, func(n *nemesis) { n.crumble(n.front) }},
	}
}

// rage breaks one thing after another until the run is over, and puts all of it back. It
// begins with those without which a run shows little.
func (n *nemesis) rage() {
	all := append(n.between.faults(), faults()...)
	first := len(all) - len(faults()) + always
	pause := 1200 * time.Millisecond
	if !kit.Full() {
		pause = 300 * time.Millisecond // so that a short run has several faults
	}
	for i := 0; n.wait(100*time.Millisecond, pause); i++ {
		f := n.pick(all)
		if i < first {
			f = all[i]
		}
		f.do(n)
		n.done[f.name]++
	}
}

// pick gives one of the faults, by their weights.
func (n *nemesis) pick(all []fault) fault {
	total := 0
	for _, f := range all {
		total += f.weight
	}
	at := n.random.IntN(total)
	for _, f := range all {
		if at -= f.weight; at < 0 {
			return f
		}
	}
	panic("weights that do not add up")
}

// wait waits for a time between the two, and reports whether the run goes on.
func (n *nemesis) wait(least, most time.Duration) bool {
	select {
	case <-time.After(least + time.Duration(n.random.Int64N(int64(most-least)))):
		return true
	case <-n.quit:
		return false
	}
}

// kill ends dc_server as a crash does. What it has in Redis stays.
func (n *nemesis) kill() {
	if n.between.shared() {
		n.server.Kill()
	} else {
		n.kills.record(n.server.Kill)
	}
}

// restart starts dc_server again after up to that long.
func (n *nemesis) restart(most time.Duration) {
	n.wait(0, most)
	n.startServer()
}

func (n *nemesis) startServer() {
	n.server = kit.NewRig(n.t).Start("dc_server", n.between.listen(n.at)...)
}

func (n *nemesis) freeze(most time.Duration) {
	n.server.Signal(syscall.SIGSTOP)
	n.wait(20*time.Millisecond, most)
	n.server.Signal(syscall.SIGCONT)
}

func (n *nemesis) killFrozen() {
	n.server.Signal(syscall.SIGSTOP)
	n.wait(20*time.Millisecond, 800*time.Millisecond)
	n.kill()
	n.restart(100 * time.Millisecond)
}

func (n *nemesis) lane(p *kit.Proxy) *kit.Lane {
	if n.random.IntN(2) == 0 {
		return p.Up
	}
	return p.Down
}

func (n *nemesis) stall(p *kit.Proxy, most time.Duration) {
	lane := n.lane(p)
	lane.Pause()
	n.wait(20*time.Millisecond, most)
	lane.Resume()
}

// swallow is a black hole. The connection has lost bytes then and does not come back, as
// one of TCP that lost some would not.
func (n *nemesis) swallow() {
	lane := n.lane(n.link)
	lane.Swallow()
	n.wait(20*time.Millisecond, time.Second)
	n.link.Reset()
	lane.Resume()
}

func (n *nemesis) refuse() {
	n.link.Refuse()
	n.link.Reset()
	n.wait(20*time.Millisecond, 500*time.Millisecond)
	n.link.Accept()
}

// cut ends each connection somewhere within a frame.
func (n *nemesis) cut(p *kit.Proxy) {
	lane := n.lane(p)
	p.Reset() // those to come are counted from their beginning
	lane.ResetAfter(1 + n.random.IntN(20_000))
	n.wait(20*time.Millisecond, time.Second)
	lane.ResetAfter(0)
}

// crumble cuts frames into pieces.
func (n *nemesis) crumble(p *kit.Proxy) {
	lane := n.lane(p)
	lane.Chunks(1+n.random.IntN(5), 13, 1+n.random.IntN(100), 14, 2047, 1)
	n.wait(50*time.Millisecond, time.Second)
	lane.Chunks()
}

// freePort is a port on an address of this machine that nobody else uses: who is started
// there again finds it free. A dc_server finds it.
func freePort(t testing.TB, r *rand.Rand) kit.Endpoint {
	t.Helper()
	host := fmt.Sprintf("127.%d.%d.%d", 1+r.IntN(254), r.IntN(256), 1+r.IntN(254))
	server, at := kit.NewRig(t).Server("-listen", "IP:"+host+":0")
	server.Stop()
	return at
}

// clock tells the time since the run began, in nanoseconds, by the monotonic clock.
type clock struct{ began time.Time }

func (c clock) now() int64 { return int64(time.Since(c.began)) }

// kill is one end of dc_server: its memory is gone at some time from begin to end, in
// nanoseconds of the run's clock.
type kill struct{ begin, end int64 }

// kills are those of a run, in order. The n-th ended the n-th dc_server; so the number of
// those before tells which dc_server it is, from 0: its epoch.
type kills struct {
	clock clock
	mu    sync.Mutex
	all   []kill
}

// record notes one that end carries out.
func (k *kills) record(end func()) {
	k.mu.Lock()
	k.all = append(k.all, kill{k.clock.now(), math.MaxInt64})
	n := len(k.all) - 1
	k.mu.Unlock()
	end()
	k.mu.Lock()
	k.all[n].end = k.clock.now()
	k.mu.Unlock()
}

// begun is how many there were so far, the one under way included: the epoch of the
// newest dc_server that can have heard of anything sent until now.
func (k *kills) begun() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return len(k.all)
}

// during gives those that may fall between two times, and the epoch before them.
func (k *kills) during(first, last int64) (epoch int, these []kill) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, one := range k.all {
		switch {
		case one.end < first:
			epoch++
		case one.begin <= last:
			these = append(these, one)
		}
	}
	return epoch, these
}
