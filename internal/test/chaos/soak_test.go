package chaos

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"distcache/bench/procfs"
	"distcache/internal/test/kit"
)

const (
	soakRate  = 3000 // requests a second of `make soak`: about half a processor in all
	idleCrowd = 200  // connections to dc_client that never ask
	// readings are how often memory is read in the second half of a period.
	readings = 15
)

// TestSoak runs both daemons for a long time. It compares their memory, descriptors and threads
// at the end with those after the first third, or after ten minutes if that is less.
// SOAK_DURATION, SOAK_RATE and SEED come from the environment. The form in `make test` takes a
// few seconds, and only shows that the test works.
func TestSoak(t *testing.T) {
	t.Parallel()
	length := durationOf(t, "SOAK_DURATION", 30*time.Second, 3*time.Second)
	p := planSoak(length, fromEnv(t, "SOAK_RATE", number, 0))
	t.Logf("%v in periods of %v; baseline at the end of period %d; %.0f requests a second, a cache of %d sessions",
		length, p.period, p.baseline, p.rate, p.sessions)
	s := newSoak(t, p)
	for range p.periods {
		s.live()
	}
	s.end()
}

// soakPlan is the shape of one run.
type soakPlan struct {
	period    time.Duration // a minute, or a sixth of the run
	periods   int
	baseline  int // the period at whose end the others are measured, from 1
	rate      float64
	sessions  int     // that dc_server holds
	tolerance float64 // of memory, in parts of the baseline's
	spare     float64 // by how many descriptors and threads the end may differ, however few there are
}

func planSoak(length time.Duration, rate int64) soakPlan {
	p := soakPlan{period: min(time.Minute, length/6), rate: soakRate, sessions: 10_000, tolerance: 0.05, spare: 1}
	if length < 3*time.Minute { // memory and threads have not settled by then
		p.rate, p.sessions, p.tolerance, p.spare = kit.Sized(400.0, 1000), 100, 1, 6
	}
	if rate > 0 {
		p.rate = float64(rate)
	}
	p.periods = max(3, int(length/p.period))
	p.baseline = min(p.periods/3, int(10*time.Minute/p.period))
	return p
}

// soak is one run.
type soak struct {
	t      *testing.T
	plan   soakPlan
	random *rand.Rand
	field  *field
	agent  *kit.Process // dc_client
	server *kit.Process // dc_server
	where  kit.Endpoint // of dc_server
	local  kit.Endpoint // of dc_client
	idle   []*kit.Conn
	crowd  sync.WaitGroup
	rows   []soakRow
}

func newSoak(t *testing.T, p soakPlan) *soak {
	random := kit.Random(t)
	c := clock{time.Now()}
	s := &soak{t: t, plan: p, random: random, where: freePort(t, random), local: kit.Unix(t)}
	s.field = &field{
		clock: c, kills: &kills{clock: c}, ledger: &ledger{}, tardy: &tardy{limit: time.Hour}, patience: patience,
		quit: make(chan struct{}),
	}
	s.server, s.agent = s.startServer(), s.startAgent(s.local)
	s.fillIdle(0)
	s.populate()
	return s
}

func (s *soak) startServer() *kit.Process {
	return kit.NewRig(s.t).Start("dc_server", "-listen", s.where.String(), "-sessions", strconv.Itoa(s.plan.sessions))
}

func (s *soak) startAgent(at kit.Endpoint) *kit.Process {
	p, _ := kit.NewRig(s.t).Client(s.where, "-listen", at.String(), "-timeout", "200", "-retry", "100")
	return p
}

// populate starts the clients: most come for one request, some stay for some time. They
// use three times as many session IDs as dc_server holds.
func (s *soak) populate() {
	brief, lasting := manner{honest: true, depth: 1, stay: 1, rude: 10}, manner{honest: true, depth: 4, stay: 10}
	shelf := newShelf(fmt.Sprintf("%08x", s.random.Uint32()), 3*s.plan.sessions, nil)
	const clients = 24
	s.field.rate = s.plan.rate / clients
	for i := range clients {
		m := brief
		if i%4 == 0 {
			m = lasting
		}
		c := &client{
			field: s.field, manner: m, number: i, at: s.local, shelf: shelf,
			members: func(writer uint32) bool { return writer < clients },
			random:  rand.New(rand.NewPCG(s.random.Uint64(), 0)),
		}
		s.crowd.Go(c.run)
	}
}

// fillIdle has the first n idle clients leave, and others come until all are there.
func (s *soak) fillIdle(n int) {
	s.t.Helper()
	for _, c := range s.idle[:n] {
		_ = c.Close()
	}
	s.idle = s.idle[n:]
	for len(s.idle) < idleCrowd {
		c, err := kit.Connect(s.local)
		if err != nil {
			s.t.Fatalf("idle client: %v", err)
		}
		s.t.Cleanup(func() { _ = c.Close() })
		s.idle = append(s.idle, c)
	}
}

// live is one period: dc_server is restarted, by turns killed and asked to end, a quarter
// of the idle clients is replaced, and the cache fills again before it is looked at.
func (s *soak) live() {
	s.t.Helper()
	time.Sleep(s.plan.period / 8)
	if len(s.rows)%2 == 0 {
		s.server.Kill()
	} else if code := s.server.Stop(); code != 0 {
		s.t.Errorf("got exit code %d of dc_server, want 0", code)
	}
	stored := s.field.ledger.stored.Load()
	s.server = s.startServer()
	s.fillIdle(idleCrowd / 4)
	time.Sleep(s.plan.period * 3 / 8)
	agent, server := s.watchMemory(s.plan.period / 2)
	s.rows = append(s.rows, s.look(agent, server))
	if got := s.field.ledger.stored.Load() - stored; got < int64(s.plan.sessions)*6/5 {
		kit.TooSlow(s.t, "got %d sessions stored in period %d, want the cache of %d full: raise SOAK_RATE", got, len(s.rows), s.plan.sessions)
	}
}

// watchMemory gives the median of what is resident in each daemon over a time, in bytes.
func (s *soak) watchMemory(d time.Duration) (agent, server int64) {
	s.t.Helper()
	var ofAgent, ofServer []int64
	for range readings {
		time.Sleep(d / readings)
		ofAgent = append(ofAgent, s.resident(s.agent))
		ofServer = append(ofServer, s.resident(s.server))
	}
	return median(ofAgent), median(ofServer)
}

func (s *soak) resident(p *kit.Process) int64 {
	s.t.Helper()
	n, err := procfs.Resident(p.PID())
	if err != nil {
		s.t.Fatalf("memory of %d: %v; it wrote:\n%s", p.PID(), err, p.Stderr())
	}
	return n
}

// look takes the other figures while no client but the idle ones is connected.
func (s *soak) look(agent, server int64) soakRow {
	s.t.Helper()
	s.field.gate.Lock()
	defer s.field.gate.Unlock()
	row := soakRow{
		after: time.Duration(s.field.clock.now()), operations: s.field.ledger.requests(),
		agent: s.settled(s.agent), server: s.settled(s.server),
	}
	row.agent.RSS, row.server.RSS = agent, server
	return row
}

// settled gives a daemon's figures once its descriptors do not change: those of clients
// that have left are closed then.
func (s *soak) settled(p *kit.Process) (now kit.Vitals) {
	s.t.Helper()
	before := -1
	kit.Wait(s.t, patience, "steady number of descriptors", func() bool {
		time.Sleep(20 * time.Millisecond)
		var err error
		if now, err = kit.ReadVitals(p.PID()); err != nil {
			s.t.Fatal(err)
		}
		same := now.FDs == before
		before = now.FDs
		return same
	})
	return now
}

// end ends the clients, counts the goroutines, and gives the verdict.
func (s *soak) end() {
	s.t.Helper()
	close(s.field.quit)
	s.crowd.Wait()
	local := kit.Unix(s.t)
	fresh := s.startAgent(local)
	s.wantGoroutines("dc_client", s.agent, fresh)
	old := s.server
	s.where = freePort(s.t, s.random)
	s.wantGoroutines("dc_server", old, s.startServer())
	s.t.Log(table(s.rows, s.plan))
	for _, fault := range drift(s.rows, s.plan) {
		s.t.Error(fault)
	}
	s.field.ledger.judge(s.t)
	if l := s.field.ledger; l.hits.Load() == 0 || l.outcomes[refused].Load() == 0 {
		kit.TooSlow(s.t, "got %d hits and %d requests refused, want some of both", l.hits.Load(), l.outcomes[refused].Load())
	}
}

// wantGoroutines holds that a daemon has no more goroutines than one that was just
// started. Both end: SIGABRT has the Go runtime write all stacks.
func (s *soak) wantGoroutines(name string, used, fresh *kit.Process) {
	s.t.Helper()
	after, before := goroutines(s.t, used), goroutines(s.t, fresh)
	s.t.Logf("goroutines of %s, without the runtime's: %d at the end, %d of one just started", name, after, before)
	if after > before || before == 0 {
		s.t.Errorf("got %d goroutines of %s at the end, want the %d of one just started; stacks:\n%s", after, name, before, used.Stderr())
	}
}

func goroutines(t testing.TB, p *kit.Process) int {
	t.Helper()
	p.Signal(syscall.SIGABRT)
	p.Exit(patience)
	return countGoroutines(p.Stderr())
}
