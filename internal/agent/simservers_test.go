package agent

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
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
	list    []string          // as arranged last
	ships   map[string]*ship  // by name: the last connection to each server
	old     []*ship           // connections of servers that were removed
	goesTo  map[string]string // by payload: the server that it must go to; spread alone, for a list that stays
	owed    map[int][]*hail   // by client, in order
	hails   map[string]*hail  // by payload
	uid     uint32
	lostAt  time.Duration // when a server served last, or one was added
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

// ship is the connection to one server, and the server.
type ship struct {
	f        *fleet
	name     string
	link     *upstream.Link
	state    connection
	hung     bool
	voyage   int           // connections and attempts so far
	failedAt time.Duration // when the last one ended
	requests codec.Assembler
	in       []byte
	pending  []codec.Message // their Wire is a copy
	late     bool            // it is left, and owes answers
}

// Drive, Dial, Close, EndTurn and Write implement upstream.Transport.
func (s *ship) Drive(l *upstream.Link) { s.link = l }
func (s *ship) EndTurn()               {}

func (s *ship) Dial() {
	s.f.must(s.state == off, "%s: dialed while connected", s.name)
	s.state = dialing
	s.voyage++
	s.f.note("%s: dial", s.name)
}

func (s *ship) Close() {
	s.f.must(s.state != off, "%s: closed what is closed", s.name)
	s.f.note("%s: closed, with %d requests", s.name, len(s.pending))
	s.state, s.in, s.pending, s.failedAt = off, nil, nil, s.f.now
	s.voyage++
}

func (s *ship) Write(b []byte) (int, error) {
	s.f.must(s.state == connected, "%s: written to without a connection", s.name)
	s.in = append(s.in, b...)
	for {
		m, err := s.requests.Next(s.in)
		if err != nil {
			return len(b), nil
		}
		rest := s.in[len(m.Wire):]
		m.Wire = slices.Clone(m.Wire)
		s.pending, s.in = append(s.pending, m), rest
		if m.Op == codec.OpGet {
			s.f.arrived(s, string(m.Payload(nil)))
		}
	}
}

// newFleet is a started agent.
func newFleet(t testing.TB, seed uint64, trace *strings.Builder) *fleet {
	f := &fleet{rng: rand.New(rand.NewPCG(seed, 2)), trace: trace, ships: map[string]*ship{}, goesTo: map[string]string{},
		owed: map[int][]*hail{}, hails: map[string]*hail{}}
	f.spread = f.rng.IntN(3) == 0
	config := testConfig()
	config.Spread, config.Several, config.Server.Retry = f.spread, true, 50*ms
	config.Server.Random = func(b []byte) {
		for i := range b {
			b[i] = byte(f.rng.Uint32())
		}
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
	clear(f.goesTo)
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

// arrived takes a request that a server has got: once, and the right server.
func (f *fleet) arrived(s *ship, payload string) {
	h := f.hails[payload]
	f.must(h != nil && h.to == nil, "%s got %q, which was not asked, or once", s.name, payload)
	f.note("%s has %s", s.name, payload)
	h.to, h.voyage, h.at = s, s.voyage, f.now
	if h.at > h.asked {
		f.Waited++
	}
	key := payload[:1] // a session: it is asked again and again
	if want, ok := f.goesTo[key]; f.spread && ok {
		f.must(want == s.name, "%q went to %s, and %q to %s", payload, s.name, key, want)
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

// finishDial ends an attempt, mostly well. A server that hangs may still connect.
func (f *fleet) finishDial(s *ship) {
	if s.state != dialing {
		return
	}
	if s.hung && f.rng.IntN(2) == 0 {
		return
	}
	if f.rng.IntN(5) == 0 {
		f.lose(s)
		return
	}
	f.connect(s)
}

func (f *fleet) connect(s *ship) {
	f.note("%s: connected", s.name)
	s.state, s.requests, s.in = connected, codec.NewAssembler(codec.Request), nil
	s.link.Connected(f.now)
}

// lose ends a connection or an attempt. No more requests are answered DISCONNECTED than that connection had.
func (f *fleet) lose(s *ship) {
	had, before := uint64(len(s.pending)), f.figures.Mux.Lost
	f.note("%s is lost", s.name)
	s.link.Broken(upstream.ErrClosed, f.now)
	f.TurnEnded(f.now)
	f.collect()
	lost := f.figures.Mux.Lost - before
	f.must(lost <= had, "%d requests were lost with %s, which had %d", lost, s.name, had)
	f.MostLost = max(f.MostLost, lost)
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

// answerOne lets s answer one of its requests, any: a GET with its own payload.
func (f *fleet) answerOne(s *ship) {
	if s.state != connected || len(s.pending) == 0 || s.hung {
		return
	}
	i := f.rng.IntN(len(s.pending))
	q := s.pending[i]
	s.pending = slices.Delete(s.pending, i, i+1)
	payload := []byte{byte(codec.StatusNotOK)}
	if q.Op == codec.OpGet {
		payload = q.Payload(nil)
	}
	f.note("%s answers %q", s.name, payload)
	if serving := f.Servers().Serving(); !f.spread && serving != nil && serving.Server().Link() != s.link && s.link.State() == upstream.Up {
		f.LateAnswers++
	}
	n := copy(s.link.Buffer(), codec.AppendMessage(nil, codec.Response, q.UID, q.Op, payload))
	s.link.Received(n, f.now)
}

// collect takes what clients got: the answers to their requests in order, each their own or DISCONNECTED with a reason.
func (f *fleet) collect() {
	for c, got := range f.got {
		answers := codec.NewAssembler(codec.Response)
		for len(got) > 0 {
			a, err := answers.Next(got)
			f.must(err == nil && len(f.owed[c]) > 0, "client %d got %.40x, %v, and is owed %d", c, got, err, len(f.owed[c]))
			h := f.owed[c][0]
			f.must(a.UID == h.uid, "client %d got uid %d for %d", c, a.UID, h.uid)
			switch p := string(a.Payload(nil)); p {
			case fmt.Sprintf("session %d", a.UID):
				f.Answered++
			case disconnected:
				f.excused(h)
			default:
				f.must(false, "client %d got %q for uid %d", c, p, a.UID)
			}
			got, f.owed[c] = got[len(a.Wire):], f.owed[c][1:]
		}
		delete(f.got, c)
	}
	f.refusals()
}

// excused holds that a request may be answered DISCONNECTED.
func (f *fleet) excused(h *hail) {
	f.note("uid %d is answered DISCONNECTED", h.uid)
	switch {
	case h.to == nil:
		f.Refused++
	case h.to.voyage != h.voyage:
		f.Lost++
	default:
		f.TimedOut++
		f.must(f.now >= h.at+testTimeout, "uid %d was given up after %v", h.uid, f.now-h.at)
	}
}

// refusals holds that requests were answered here only where no server was to be hoped for: each has been tried since the
// last one was lost, or the wait for them is over.
func (f *fleet) refusals() {
	refused := f.Counters().Unavailable
	if refused == f.refused || f.spread { // spread: TestSpreadLosesOneShare of upstream
		f.refused = refused
		return
	}
	f.note("%d requests are refused", refused-f.refused)
	f.refused = refused
	f.must(f.Servers().Serving() == nil, "requests are refused while a server serves")
	f.must(f.waited(), "requests are refused with servers untried since %v", f.lostAt)
}

// waited reports whether there is no server to be hoped for.
func (f *fleet) waited() bool {
	untried := slices.ContainsFunc(f.list, func(name string) bool { return f.ships[name].failedAt < f.lostAt || f.ships[name].voyage < 2 })
	return !untried || f.now >= f.lostAt+min(FirstWait, testTimeout)
}

// Counters are the agent's.
func (f *fleet) Counters() Counters { return f.Agent.Counters }

// rules are what holds after each step.
func (f *fleet) rules() {
	up := 0
	for _, name := range f.list {
		if s := f.ships[name]; s.state == connected && s.link.State() == upstream.Up {
			up++
		}
	}
	serving := f.Servers().Serving()
	switch {
	case f.spread:
		f.must(serving == nil, "%v serves although all do", serving)
	case serving == nil:
		f.must(up == 0, "%d servers are up and none serves", up)
	default:
		f.lostAt = f.now
		f.must(serving.State() == upstream.Up, "%s serves while %v", serving.Name(), serving.State())
		f.must(up <= 4, "%d servers are connected", up)
	}
	for c, owed := range f.owed {
		f.must(len(owed) == 0 || f.now <= owed[0].asked+4*testTimeout+FirstWait, "client %d waits since %v", c, owed)
	}
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
