package agent

import (
	"fmt"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
	"distcache/engine/buffer"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/upstream"
)

// loop is one hot path: run does it once. The zero-allocation test and the
// benchmarks run the same loops, so that what is timed is what is claimed.
type loop struct {
	name string // key=value, as benchstat reads them
	run  func()
}

// must ends a loop that no longer does what it is named after.
func must(tb testing.TB, ok bool) {
	if !ok {
		tb.Helper()
		tb.Fatal("the loop does something else than its name says")
	}
}

// still is all that is around an agent, at rest: sockets and a connection that take
// everything.
type still struct {
	answers int
	sent    []byte
}

func (s *still) Write(int, []byte) (held bool, err error) { s.answers++; return false, nil }
func (s *still) EndTurn()                                 {}
func (s *still) Resume(int)                               {}

func (s *still) WriteParted(c int, b []byte, _ int) (held bool, err error) { return s.Write(c, b) }

// Unread never becomes less before all has been read.
func (s *still) Unread(int) int { return 0 }

func (s *still) LinkChanged(_, _ upstream.State, _ error, _ time.Duration) {}
func (s *still) ServingChanged(_, _ *upstream.Member, _ time.Duration)     {}
func (s *still) ClientDropped(int, front.Reason, error, time.Duration)     {}
func (s *still) Close(int)                                                 {}

// stillRig is an agent with one front.
type stillRig struct {
	agent *Agent
	front *front.Front
}

// stillWire is its upstream.Transport.
type stillWire struct{ *still }

func (s stillWire) Drive(*upstream.Link) {}
func (s stillWire) Dial()                {}
func (s stillWire) Close()               {}

func (s stillWire) Write(b []byte) (int, error) {
	s.sent = append(s.sent[:0], b...)
	return len(b), nil
}

// stillAgent is up, and has clients 0 to clients-1.
func stillAgent(tb testing.TB, clients int) (*stillRig, *still) {
	return stillAgentOf(tb, testConfig(), clients)
}

func stillAgentOf(tb testing.TB, config Config, clients int) (*stillRig, *still) {
	s := &still{sent: make([]byte, 0, 4<<20)}
	p := &stillRig{agent: newSingle(config, stillWire{s}, s)}
	p.front = p.agent.AddFront(front.NewDistcache(), s, buffer.NewPool(1<<20))
	p.agent.Start(0)
	p.agent.Server().Link().Connected(0)
	p.agent.Server().Link().Received(copy(p.agent.Server().Link().Buffer(), codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK)), 0)
	must(tb, p.agent.Server().Link().State() == upstream.Up)
	for c := range clients {
		p.front.Opened(c, 0)
	}
	return p, s
}

// turn is one turn of the loop: requests of some clients come, are forwarded in one
// write, and answered in one read.
type turn struct {
	tb        testing.TB
	agent     *stillRig
	still     *still
	clients   int
	request   []byte
	piece     int // how much of a request comes at a time
	answer    []byte
	assembler codec.Assembler
}

func (t *turn) run() {
	before := t.still.answers
	for c := range t.clients {
		for rest := t.request; len(rest) > 0; {
			b := t.agent.front.Buffer(c)
			n := copy(b, rest[:min(len(rest), t.piece)])
			rest = rest[n:]
			t.agent.front.Received(c, b[:n], 0)
		}
	}
	t.agent.agent.TurnEnded(0)
	in := t.agent.agent.Server().Link().Buffer()
	n := 0
	for sent := t.still.sent; len(sent) > 0; {
		m, err := t.assembler.Next(sent)
		must(t.tb, err == nil)
		sent = sent[len(m.Wire):]
		codec.SetUID(t.answer, m.UID)
		n += copy(in[n:], t.answer)
	}
	t.agent.agent.Server().Link().Received(n, 0)
	must(t.tb, t.still.answers == before+t.clients)
}

// forwardLoops are whole turns.
func forwardLoops(tb testing.TB) []loop {
	var loops []loop
	for _, clients := range []int{1, 64} {
		for _, k := range []struct {
			name           string
			request, piece int
		}{
			{"op=GET/arrives=whole", 32, 1 << 20},
			{"op=GET/arrives=halves", 32, 23},
			{"op=GET/arrives=bytewise", 32, 1},
			{"op=GET/arrives=3frames", 5000, 1 << 20},
		} {
			p, s := stillAgent(tb, clients)
			t := &turn{tb: tb, agent: p, still: s, clients: clients, piece: k.piece}
			t.request = codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, make([]byte, k.request))
			t.answer = codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, make([]byte, 180))
			loops = append(loops, loop{fmt.Sprintf("%s/clients=%d", k.name, clients), t.run})
		}
	}
	return loops
}

// cacheLoops are turns of an agent with a cache: GETs of a session that is there, and that has to be fetched; an ADD and a REMOVE.
func cacheLoops(tb testing.TB) []loop {
	id, session := []byte("a session ID of thirty-two bytes"), make([]byte, 180)
	request := func(op codec.Op, payload []byte) []byte {
		return codec.AppendMessage(nil, codec.Request, 7, op, payload)
	}
	add := request(codec.OpAdd, codec.AppendAdd(nil, codec.Add{Timeout: time.Minute, ID: id, Data: session}))
	status := func(op codec.Op) []byte { return codec.AppendStatus(nil, 7, op, codec.StatusOK) }
	one := func(before, ask, answer, and, answerAnd []byte) func() {
		config := testConfig()
		config.Cache = newTestCache()
		tb.Cleanup(func() { closeTestCache(config.Cache) })
		p, s := stillAgentOf(tb, config, 1)
		t := &turn{tb: tb, agent: p, still: s, clients: 1, piece: 1 << 20}
		if before != nil {
			t.request, t.answer = before, status(codec.OpAdd)
			t.run()
		}
		return func() {
			t.request, t.answer = ask, answer
			t.run()
			if and != nil {
				t.request, t.answer = and, answerAnd
				t.run()
			}
		}
	}
	get := request(codec.OpGet, id)
	return []loop{
		{"op=GET/entry=there", one(add, get, status(codec.OpHave), nil, nil)},
		{"op=GET/entry=none", one(nil, get, codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, session), request(codec.OpRemove, id), status(codec.OpRemove))},
		{"op=ADD,REMOVE", one(nil, add, status(codec.OpAdd), request(codec.OpRemove, id), status(codec.OpRemove))},
	}
}

// shortLivedLoops are the main job: a client comes, asks, gets its answer and leaves.
func shortLivedLoops(tb testing.TB) []loop {
	p, s := stillAgent(tb, 0)
	t := &turn{tb: tb, agent: p, still: s, clients: 1, piece: 1 << 20}
	t.request = codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, make([]byte, 32))
	t.answer = codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, make([]byte, 180))
	return []loop{{"op=GET/clients=shortlived", func() {
		p.front.Opened(0, 0)
		t.run()
		p.front.Ended(0, 0)
	}}}
}

// memcachedLoops are turns of clients that speak memcached's protocols, as forwardLoops are.
func memcachedLoops(tb testing.TB) []loop {
	const key = "mod_ssl-sess:a69fc7669a24ee858750130ecb00e8561486307cf78a39b7a2e6ac47247ac76d"
	session := make([]byte, 180)
	get := codec.AppendMessage(nil, codec.Response, 0, codec.OpGet, session)
	stored := codec.AppendStatus(nil, 0, codec.OpAdd, codec.StatusOK)
	var loops []loop
	for _, clients := range []int{1, 64} {
		for _, k := range []struct {
			name, request string
			answer        []byte
		}{
			{"op=get/proto=text", "get " + key + "\r\n", get},
			{"op=get/proto=binary", binaryRequest(0, "", key, ""), get},
			{"op=set/proto=text", "set " + key + " 0 299 180 \r\n" + string(session) + "\r\n", stored},
		} {
			p, s := stillAgent(tb, 0)
			pool := buffer.NewPool(1 << 20)
			wire := memcached.New(memcached.Config{Gets: testConfig().Gets, Share: func(*memcached.Counters) {}}, pool)
			p.front = p.agent.AddMemcached(wire, s, pool)
			for c := range clients {
				p.front.Opened(c, 0)
			}
			t := &turn{tb: tb, agent: p, still: s, clients: clients, piece: 1 << 20, request: []byte(k.request), answer: k.answer}
			loops = append(loops, loop{fmt.Sprintf("%s/clients=%d", k.name, clients), t.run})
		}
	}
	return loops
}

// localLoops are answered without the connection.
func localLoops(tb testing.TB) []loop {
	p, s := stillAgent(tb, 1)
	p.agent.Stop(0)
	request := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, make([]byte, 32))
	return []loop{{"op=GET/link=down", func() {
		before := s.answers
		b := p.front.Buffer(0)
		p.front.Received(0, b[:copy(b, request)], 0)
		must(tb, s.answers == before+1)
	}}}
}

// spreadLoops are turns in which the session ID of each request chooses one of the servers.
func spreadLoops(tb testing.TB) []loop {
	var loops []loop
	for _, servers := range []int{3, upstream.MaxServers} {
		s, config := &still{}, testConfig()
		config.Spread = true
		agent, wires := New(config, s), map[string]*spreadWire{}
		front := agent.AddFront(front.NewDistcache(), s, buffer.NewPool(1<<20))
		names := make([]string, servers)
		for i := range names {
			names[i] = fmt.Sprintf("cache%d:9001", i)
		}
		agent.Arrange(names, func(name string) upstream.Spec {
			wires[name] = &spreadWire{stillWire: stillWire{&still{sent: make([]byte, 0, 1<<16)}}}
			return upstream.Spec{Name: name, Config: config.Server, Transport: wires[name]}
		}, 0)
		agent.Start(0)
		for _, w := range wires {
			w.link.Connected(0)
			w.bring(codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
			w.sent = w.sent[:0]
		}
		const clients = 64
		for c := range clients {
			front.Opened(c, 0)
		}
		request := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, make([]byte, 32))
		answer := codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, make([]byte, 180))
		loops = append(loops, loop{fmt.Sprintf("op=GET/servers=%d/clients=%d", servers, clients), func() {
			before := s.answers
			for c := range clients {
				request[len(request)-1] = byte(c)
				b := front.Buffer(c)
				front.Received(c, b[:copy(b, request)], 0)
			}
			agent.TurnEnded(0)
			for _, w := range wires {
				w.answer(tb, answer)
			}
			must(tb, s.answers == before+clients)
		}})
	}
	return loops
}

// spreadWire is the connection to one of several servers.
type spreadWire struct {
	stillWire
	link *upstream.Link
}

func (w *spreadWire) Drive(l *upstream.Link) { w.link = l }
func (w *spreadWire) bring(b []byte)         { w.link.Received(copy(w.link.Buffer(), b), 0) }

// answer answers all requests that were sent since.
func (w *spreadWire) answer(tb testing.TB, answer []byte) {
	var assembler codec.Assembler
	in, n := w.link.Buffer(), 0
	for sent := w.sent; len(sent) > 0; {
		m, err := assembler.Next(sent)
		must(tb, err == nil)
		sent = sent[len(m.Wire):]
		codec.SetUID(answer, m.UID)
		n += copy(in[n:], answer)
	}
	w.sent = w.sent[:0]
	if n > 0 {
		w.link.Received(n, 0)
	}
}

// lossLoops lose the connection with requests in flight.
func lossLoops(tb testing.TB) []loop {
	p, s := stillAgent(tb, 64)
	request := codec.AppendMessage(nil, codec.Request, 7, codec.OpGet, make([]byte, 32))
	probe := codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK)
	now := time.Duration(0)
	return []loop{{"what=lost/clients=64", func() {
		before := s.answers
		for c := range 64 {
			b := p.front.Buffer(c)
			p.front.Received(c, b[:copy(b, request)], now)
		}
		p.agent.Server().Link().Broken(upstream.ErrClosed, now)
		must(tb, s.answers == before+64)
		now = p.agent.Server().Link().Deadline()
		p.agent.Server().Link().Expire(now)
		p.agent.Server().Link().Connected(now)
		p.agent.Server().Link().Received(copy(p.agent.Server().Link().Buffer(), probe), now)
	}}}
}

// stillPeer takes every datagram.
type stillPeer struct{ sent int }

func (s *stillPeer) Send(front.Peer, []byte) bool { s.sent++; return true }

// datagramLoops are gets of stunnel that are found, and sessions that it stores.
func datagramLoops(tb testing.TB) []loop {
	p, s := stillAgent(tb, 0)
	peer := &stillPeer{}
	d := p.agent.AddDatagrams(peer, false)
	key := make([]byte, sessiond.KeyLen)
	key[0] = 1
	ask := func(kind sessiond.Type, value, answers int, answer []byte) func() {
		b := sessiond.Append(nil, sessiond.Packet{Type: kind, Key: key, Value: make([]byte, value)})
		var assembler codec.Assembler
		return func() {
			before := peer.sent
			d.Received(7, b, 0, 0)
			p.agent.TurnEnded(0)
			m, err := assembler.Next(s.sent)
			must(tb, err == nil)
			codec.SetUID(answer, m.UID)
			p.agent.Server().Link().Received(copy(p.agent.Server().Link().Buffer(), answer), 0)
			must(tb, peer.sent == before+answers && d.Open() == 0)
		}
	}
	return []loop{
		{"type=get", ask(sessiond.Get, 0, 1, codec.AppendMessage(nil, codec.Response, 7, codec.OpGet, make([]byte, 180)))},
		{"type=new", ask(sessiond.New, 180, 0, codec.AppendStatus(nil, 7, codec.OpAdd, codec.StatusOK))},
	}
}
