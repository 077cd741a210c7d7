package chaos

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"distcache/internal/test/kit"
)

const (
	requestTimeout = 200 * time.Millisecond
	retry          = 50 * time.Millisecond
	// serverSessions is room for more sessions than a run has IDs between two kills.
	serverSessions = "1000000"
	// testRate is how many requests a second `make test` asks, beside other tests.
	testRate = 1000
	// testLength is how long a run is in `make test`, fullLength in `make faults`.
	testLength, fullLength = 3 * time.Second, time.Minute
)

// TestChaos breaks everything while clients check each answer. The environment sets SEED,
// CHAOS_DURATION, CHAOS_OPS (the test then ends after so many requests) and CHAOS_RATE (requests
// a second; 0: no limit).
func TestChaos(t *testing.T) { chaos(t, plainLink()) }

// TestChaosOverTLS is TestChaos with TLS between the daemons: the Proxy cuts, stalls and changes ciphertext.
func TestChaosOverTLS(t *testing.T) { chaos(t, secureLink(t)) }

// TestChaosOverRedis is TestChaos with the sessions in Redis, which is killed and frozen, too: a dc_server that ends takes no
// session with it, and a Redis that ends takes them all.
func TestChaosOverRedis(t *testing.T) {
	kit.NeedFull(t, "is TestChaos with another store (make test-redis and make chaos STORE=redis have it too)")
	chaos(t, redisLink(t))
}

// TestChaosOverCluster is TestChaosOverRedis with a cluster with replicas, whose masters are killed. What asynchronous replication lost
// then is counted; all else is held as ever.
func TestChaosOverCluster(t *testing.T) {
	kit.NeedFull(t, "is TestChaos with another store (make chaos STORE=cluster has it too)")
	chaos(t, clusterLink(t))
}

func chaos(t *testing.T, l *link) {
	t.Parallel()
	length := durationOf(t, "CHAOS_DURATION", fullLength, testLength)
	most := fromEnv(t, "CHAOS_OPS", number, 0)
	a := newArena(t, l, float64(fromEnv(t, "CHAOS_RATE", number, testRate)))
	a.begin()
	go a.endAfter(length, most)
	a.nemesis.rage()
	a.crowd.Wait()
	a.judge()
}

// arena is one run.
type arena struct {
	t       *testing.T
	field   *field
	checker *checker
	machine *lag
	nemesis *nemesis
	link    *link
	agents  []*kit.Process // dc_client A and B
	shelves []*shelf
	clients []*client
	crowd   sync.WaitGroup
}

// group is clients that share session IDs.
type group struct {
	clients, slots int
	manner         manner
}

// groups are all clients of a run. Where few share many IDs, requests are many; where
// many share few, they overlap.
func groups() []group {
	lasting := manner{honest: true, depth: 8, stay: 400}
	return []group{
		{4, 12, lasting}, {4, 12, lasting}, {4, 2, lasting}, {1, 8, lasting},
		{6, 4, manner{honest: true, depth: 1, stay: 1}},
		{6, 4, manner{honest: true, depth: 3, stay: 3, rude: 20}},
		{5, 3, manner{honest: false, depth: 4, stay: 50, rude: 20}},
	}
}

func newArena(t *testing.T, l *link, rate float64) *arena {
	random := kit.Random(t)
	c := clock{time.Now()}
	k := &kills{clock: c}
	a := &arena{t: t, machine: measureLag(t, c), link: l}
	a.field = &field{
		clock: c, kills: k, ledger: &ledger{}, tardy: &tardy{limit: requestTimeout + grace}, patience: patience,
		quit: make(chan struct{}), shared: l.shared(),
	}
	failovers := &kills{clock: c}
	a.checker = newChecker(k, failovers, a.field.ledger)
	at := freePort(t, random)
	n := &nemesis{t: t, random: random, quit: a.field.quit, kills: k, failovers: failovers, ledger: a.field.ledger, at: at, between: l, done: map[string]int{}}
	n.startServer()
	n.link = kit.NewProxy(t, at)
	toA := a.startAgent(at)
	n.asks = toA
	toB := a.startAgent(n.link.Endpoint())
	n.agents = a.agents
	n.front = kit.NewProxy(t, toA)
	a.nemesis = n
	a.populate(random, rate, toA, toB, n.front.Endpoint())
	return a
}

// startAgent runs a dc_client until the end, and waits for its connection to dc_server.
func (a *arena) startAgent(server kit.Endpoint) kit.Endpoint {
	p, at := kit.NewRig(a.t).Client(server, append(a.link.connect(server),
		"-timeout", fmt.Sprint(requestTimeout.Milliseconds()), "-retry", fmt.Sprint(retry.Milliseconds()))...)
	a.agents = append(a.agents, p)
	return at
}

// populate makes the clients. Those of one group are spread over both dc_clients.
func (a *arena) populate(random *rand.Rand, rate float64, toA, toB, front kit.Endpoint) {
	total := 0
	for _, g := range groups() {
		total += g.clients
	}
	a.field.rate = rate / float64(total)
	run := random.Uint32()
	for i, g := range groups() {
		s := newShelf(fmt.Sprintf("%08x/%d", run, i), g.slots, a.checker.add)
		a.shelves = append(a.shelves, s)
		first := uint32(len(a.clients))
		members := func(writer uint32) bool { return writer >= first && writer < first+uint32(g.clients) }
		for j := range g.clients {
			at := [...]kit.Endpoint{toA, toA, toB}[j%3]
			if !g.manner.honest {
				at = front
			}
			a.clients = append(a.clients, &client{
				field: a.field, manner: g.manner, number: len(a.clients), members: members, at: at, shelf: s,
				random: rand.New(rand.NewPCG(random.Uint64(), 0)),
			})
		}
	}
}

func (a *arena) begin() {
	for _, c := range a.clients {
		a.crowd.Go(c.run)
	}
}

// endAfter ends the run after that long or, where operations are given, after those.
func (a *arena) endAfter(length time.Duration, operations int64) {
	defer close(a.field.quit)
	if operations == 0 {
		time.Sleep(length)
		return
	}
	for a.field.ledger.requests() < operations {
		time.Sleep(10 * time.Millisecond)
	}
}

// judge gives the verdict on all that was seen.
func (a *arena) judge() {
	a.t.Helper()
	elapsed := time.Duration(a.field.clock.now())
	for _, s := range a.shelves {
		s.finish()
	}
	a.checker.finish()
	a.machine.stop()
	excused := 0
	if kit.TimesJudged() {
		excused = a.field.tardy.judge(a.machine, a.field.ledger)
	}
	a.t.Log(a.summary(elapsed, excused))
	a.field.ledger.judge(a.t)
	a.wantAlive()
	a.wantEventful()
}

// wantAlive holds that both dc_clients have come through it, serve, and end well.
func (a *arena) wantAlive() {
	a.t.Helper()
	for _, p := range a.agents {
		if text := p.Stderr(); strings.Contains(text, "panic") || !p.Running() {
			a.t.Errorf("got a dc_client that did not survive: %.400s", text)
			continue
		}
		if a.link.ca != nil && !strings.Contains(p.Stderr(), "certificate=cache") {
			a.t.Error("got a dc_client that never saw dc_server's certificate, want TLS")
		}
		if code := p.Stop(); code != 0 {
			a.t.Errorf("got exit code %d of dc_client, want 0", code)
		}
	}
	if code := a.nemesis.server.Stop(); code != 0 {
		a.t.Errorf("got exit code %d of dc_server, want 0", code)
	}
}

// wantEventful holds that the run shows anything at all.
func (a *arena) wantEventful() {
	a.t.Helper()
	l := a.field.ledger
	for what, n := range map[string]int64{
		"kill": int64(a.nemesis.kills.begun() + a.nemesis.failovers.begun()), "request that was refused": l.outcomes[refused].Load(), "hit": l.hits.Load(),
		"connection lost": l.outcomes[lost].Load(), "rude client": l.rude.Load(), "history": a.checker.checked.Load(),
	} {
		if n == 0 && (what == "kill" || what == "hit" || what == "history") {
			a.t.Errorf("got no %s in the whole run, want some: it shows nothing", what)
		} else if n == 0 { // the machine may have been too slow for so many requests
			kit.TooSlow(a.t, "got no %s in the whole run, want some: it shows nothing", what)
		}
	}
	if a.nemesis.done[replicaBehind] > 2 && l.lostAdds.Load()+l.undone.Load() == 0 {
		kit.TooSlow(a.t, "got nothing lost in %d failovers to a replica that was behind: it shows nothing", a.nemesis.done[replicaBehind])
	}
	for _, c := range a.clients {
		if c.requests.Load() == 0 {
			kit.TooSlow(a.t, "got no request of client %d, want some", c.number)
		}
	}
}

// summary is the figures of the run.
func (a *arena) summary(elapsed time.Duration, excused int) string {
	l, out := a.field.ledger, &strings.Builder{}
	line := func(format string, args ...any) { fmt.Fprintf(out, "\n  "+format, args...) }
	n := l.requests()
	line("%d operations of %d clients in %v, %.0f a second", n, len(a.clients), elapsed.Round(time.Millisecond), float64(n)/elapsed.Seconds())
	line("answered by dc_server %d, DISCONNECTED %d, connection closed first %d",
		l.outcomes[yes].Load()+l.outcomes[no].Load(), l.outcomes[refused].Load(), l.outcomes[lost].Load())
	line("canaries: %d sessions read, %d bytes; %d answers crossed, %d bytes leaked",
		l.hits.Load(), l.bytes.Load(), l.counts[crossed].Load(), l.leakedBytes.Load())
	line("answers to nothing %d, requests without an answer %d, honest clients hung up on %d",
		l.counts[doubled].Load(), l.counts[unanswered].Load(), l.counts[hungUp].Load())
	line("linearizable: %d session IDs with %d operations, %d are not, %d undecided",
		a.checker.checked.Load(), a.checker.events.Load(), l.counts[notLinearizable].Load(), l.counts[undecided].Load())
	if a.link.cluster != nil {
		line("%d failovers: of %d ADDs in the moments before them %d were lost, of %d REMOVEs %d undone; they alone explain %d of the histories",
			a.nemesis.failovers.begun(), l.lastAdds.Load(), l.lostAdds.Load(), l.lastRemoves.Load(), l.undone.Load(), l.excused.Load())
	}
	slowest := a.field.tardy.slowest
	line("slowest answer %v, limit %v; this machine was up to %v late, for which %d answers were excused, %d not",
		slowest.length(), a.field.tardy.limit, time.Duration(a.machine.worst), excused, l.counts[late].Load())
	line("all sessions lost %d times; faults:", a.nemesis.kills.begun())
	for _, name := range slices.Sorted(maps.Keys(a.nemesis.done)) {
		fmt.Fprintf(out, " %s %d,", name, a.nemesis.done[name])
	}
	return strings.TrimSuffix(out.String(), ",")
}
