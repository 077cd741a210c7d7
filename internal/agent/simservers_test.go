package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/upstream"
)

// fleet is a life of an agent with three servers, whose clients ask and stay: losses, hangs, returns and changes
// of the list come in any order.
type fleet struct {
	*rig
	rng     *rand.Rand
	trace   *strings.Builder // nil: not wanted
	broken  string
	spread  bool
	list    []string         // as arranged last
	ships   map[string]*ship // by name: the last connection to each server
	old     []*ship          // connections of servers that were removed
	owed    map[int][]*hail  // by client, in order
	hails   map[string]*hail // by payload
	uid     uint32
	lostAt  time.Duration // when a server served last, or one was added
	adrift  time.Duration // when the one that served was lost
	refused uint64        // requests answered here, as counted
	fleetTotals
}

// fleetTotals is what the histories held.
type fleetTotals struct {
	Histories, Steps, Requests, Answered, Lost, TimedOut, Refused, Waited, Failovers, Takeovers, Lists, LateAnswers uint64
	MostLost                                                                                                        uint64 // by one loss
}

// hail is one request.
type hail struct {
	uid    uint32
	to     *ship // which has it; nil: none yet
	voyage int   // of that
	at     time.Duration
	asked  time.Duration
}

// newFleet is a started agent.
func newFleet(t testing.TB, seed uint64, trace *strings.Builder) *fleet {
	f := &fleet{rng: rand.New(rand.NewPCG(seed, 2)), trace: trace, ships: map[string]*ship{},
		owed: map[int][]*hail{}, hails: map[string]*hail{}}
	f.spread = f.rng.IntN(3) == 0
	config := testConfig()
	config.Spread, config.Several, config.Server.Retry = f.spread, true, 50*ms
	config.Server.Random = func(b []byte) {
		for i := range b {
			b[i] = byte(f.rng.Uint32())
		}
	}
	if f.rng.IntN(2) == 0 {
		config.Cache = newTestCache()
	}
	f.rig = &rig{t: t, pool: buffer.NewPool(1 << 20), got: map[int][]byte{}, closed: map[int]bool{}}
	f.Agent = New(config, f)
	f.Front = f.AddFront(front.NewDistcache(), f, f.pool)
	f.arrange("abc")
	f.Start(0)
	f.come(1, 2, 3, 4)
	return f
}

// ServingChanged implements Observer.
func (f *fleet) ServingChanged(from, to *upstream.Member, _ time.Duration) {
	f.note("%s serves", to.Name())
	f.must(to.State() == upstream.Up, "%s serves while %v", to.Name(), to.State())
	if from != nil {
		f.Takeovers++
	} else {
		f.Failovers++
	}
}

// arrange changes the list.
func (f *fleet) arrange(names string) {
	f.note("the list is %s", names)
	hopeless := !f.Agent.waiting // a wait that goes on does not begin again
	f.list = strings.Split(names, "")
	f.Arrange(f.list, func(name string) upstream.Spec {
		if old := f.ships[name]; old != nil {
			f.old = append(f.old, old)
		}
		s := &ship{f: f, name: name}
		f.ships[name] = s
		if hopeless {
			f.lostAt = f.now
		}
		return upstream.Spec{Name: name, Config: f.config.Server, Transport: s}
	}, f.now)
}

func (f *fleet) note(format string, args ...any) {
	if f.trace != nil {
		fmt.Fprintf(f.trace, "%14v  %s\n", f.now, fmt.Sprintf(format, args...))
	}
}

func (f *fleet) must(holds bool, format string, args ...any) {
	if !holds {
		f.broken = fmt.Sprintf(format, args...)
		f.note("BROKEN: %s", f.broken)
		panic(violation{})
	}
}

// step lets something happen.
func (f *fleet) step() {
	s := f.any()
	switch k := f.rng.IntN(24); {
	case k < 8:
		f.askAny()
	case k < 14:
		f.answerOne(s)
	case k < 17:
		f.finishDial(s)
	case k < 18 && f.rng.IntN(2) == 0 && s.state != off:
		f.lose(s)
	case k < 19 && f.rng.IntN(3) == 0:
		s.hung = !s.hung
		f.note("%s hangs: %v", s.name, s.hung)
	case k < 20 && f.rng.IntN(10) == 0:
		f.Lists++
		f.arrange([]string{"abc", "acb", "cab", "ab", "ca", "b", "cba", "bc"}[f.rng.IntN(8)])
	default:
		f.pass(time.Duration(f.rng.IntN([]int{2, 20, 60, 300}[f.rng.IntN(4)])) * ms)
	}
	f.TurnEnded(f.now)
	f.collect()
	f.rules()
}

// any is one of the connections that there are.
func (f *fleet) any() *ship {
	if n := len(f.old); n > 0 && f.rng.IntN(5) == 0 {
		return f.old[f.rng.IntN(n)]
	}
	return f.ships[string("abc"[f.rng.IntN(3)])]
}

// pass lets time go by, with each deadline met.
func (f *fleet) pass(d time.Duration) {
	until := f.now + d
	for range 10_000 {
		due := f.Deadline()
		if due > until {
			f.now = until
			return
		}
		f.now = max(f.now, due)
		f.Expire(f.now)
		f.TurnEnded(f.now)
		f.collect()
	}
	f.must(false, "the deadline stays at %v: the loop spins", f.Deadline())
}

// askAny sends a request of any client.
func (f *fleet) askAny() {
	c := 1 + f.rng.IntN(4)
	if len(f.owed[c]) == testWindow || len(f.Buffer(c)) == 0 { // more than Gets are asked when others are answered
		return
	}
	f.uid++
	payload := fmt.Sprintf("session %d", f.uid)
	h := &hail{uid: f.uid, asked: f.now}
	f.hails[payload] = h
	f.owed[c] = append(f.owed[c], h)
	f.Requests++
	f.note("client %d asks %s", c, payload)
	f.ask(c, f.uid, payload)
}

// settle lets all servers be well: in the end the first of the list serves, and alone is connected; or all are.
func (f *fleet) settle() {
	f.note("settle")
	for _, s := range f.ships {
		s.hung = false
	}
	for range 4_000 {
		for _, s := range append(slices.Clone(f.old), f.ships["a"], f.ships["b"], f.ships["c"]) {
			s.hung = false
			if s.state == dialing {
				f.connect(s)
			}
			for s.state == connected && len(s.pending) > 0 {
				f.answerOne(s)
			}
		}
		f.TurnEnded(f.now)
		f.collect()
		f.rules()
		if f.Servers().Up() && (f.spread || f.Servers().Serving().Name() == f.list[0] && f.connections() == 1) && f.quiet() {
			return
		}
		f.pass(max(0, min(f.Deadline(), f.now+time.Second)-f.now))
	}
	f.must(false, "it does not come to rest: %d connections, %v", f.connections(), f.list)
}

func (f *fleet) connections() (n int) {
	for _, s := range append(slices.Clone(f.old), f.ships["a"], f.ships["b"], f.ships["c"]) {
		if s.state != off {
			n++
		}
	}
	return n
}

func (f *fleet) quiet() bool {
	for _, owed := range f.owed {
		if len(owed) > 0 {
			return false
		}
	}
	return true
}

// playFleet plays one life. A panic is a broken rule.
func playFleet(t testing.TB, seed uint64, trace *strings.Builder) (f *fleet) {
	f = newFleet(t, seed, trace)
	defer closeTestCache(f.Agent.config.Cache)
	defer func() {
		switch p := recover(); p.(type) {
		case nil, violation:
		default:
			f.broken = fmt.Sprintf("panic: %v", p)
		}
	}()
	for range fleetHistories {
		f.Histories++
		clear(f.hails)
		f.old = slices.DeleteFunc(f.old, func(s *ship) bool { return s.state == off })
		for range 30 + f.rng.IntN(120) {
			f.step()
			f.Steps++
		}
		f.settle()
	}
	f.Agent.Stop(f.now)
	f.collect()
	f.must(f.connections() == 0 && f.Deadline() == deadline.Never, "after the end: %d connections, due at %v", f.connections(), f.Deadline())
	return f
}

// fleetHistories is how many histories a life has.
const fleetHistories = 10

// simulateServers plays n histories of an agent with three servers.
func simulateServers(t *testing.T, seed uint64, n int) {
	var sum fleetTotals
	for i := range (n + fleetHistories - 1) / fleetHistories {
		f := playFleet(t, seed+uint64(i), nil)
		sum.add(&f.fleetTotals)
		if f.broken != "" {
			trace := &strings.Builder{}
			again := playFleet(t, seed+uint64(i), trace)
			t.Fatalf("%s\nto repeat: SEED=%d HISTORIES=1\n%s", again.broken, seed+uint64(i), lastLines(trace.String(), 160))
		}
	}
	t.Logf("%+v", sum)
	if n >= 2_000 && (sum.Failovers < 100 || sum.Takeovers < 100 || sum.Waited == 0 || sum.LateAnswers == 0 || sum.TimedOut == 0 || sum.Refused == 0) {
		t.Errorf("got %+v, want each of these to happen", sum)
	}
}

func (t *fleetTotals) add(o *fleetTotals) {
	for _, p := range []struct{ to, from *uint64 }{
		{&t.Histories, &o.Histories}, {&t.Steps, &o.Steps}, {&t.Requests, &o.Requests}, {&t.Answered, &o.Answered}, {&t.Lost, &o.Lost},
		{&t.TimedOut, &o.TimedOut}, {&t.Refused, &o.Refused}, {&t.Waited, &o.Waited}, {&t.Failovers, &o.Failovers},
		{&t.Takeovers, &o.Takeovers}, {&t.Lists, &o.Lists}, {&t.LateAnswers, &o.LateAnswers},
	} {
		*p.to += *p.from
	}
	t.MostLost = max(t.MostLost, o.MostLost)
}
