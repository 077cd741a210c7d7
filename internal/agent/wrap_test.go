package agent

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/buffer"
	"distcache/engine/deadline"
	"distcache/internal/front"
	"distcache/internal/test/kit"
	"distcache/upstream"
)

// TestV09UIDsWrapUnderLoad: 512 clients that always have a request in
// flight, 100,000 requests, and uids that begin shortly before they wrap. dc_server
// answers in any order, some too late, and repeats itself.
func TestV09UIDsWrapUnderLoad(t *testing.T) {
	const clients, requests = 512, 100_000
	for _, generation := range []uint16{0xffff, 0xffc0, 0} {
		c := newCrowd(t, clients, generation)
		for i := range clients {
			c.ask(i)
		}
		for c.answers < requests {
			c.step()
		}
		c.mustBeWhole(generation)
	}
}

// crowd is many clients and their dc_server. The payload of a request, and of its answer,
// is the client's number and how often it has asked.
type crowd struct {
	t       *testing.T
	rng     *rand.Rand
	now     time.Duration
	agent   *Agent
	front   *front.Front
	server  *crowdServer
	asked   []uint32 // by client
	since   []time.Duration
	free    []int // that have their answer
	answers int
	givenUp int
}

// crowdServer is the upstream.Transport of a crowd.
type crowdServer struct {
	crowd    *crowd
	requests codec.Assembler
	waiting  []codec.Message
	forgot   []forgotten
	replies  [][]byte // the last answers
	largest  uint32   // uid
	wrapped  bool
	out      []byte
}

// forgotten is a request that is answered when it has timed out.
type forgotten struct {
	uid  uint32
	when time.Duration
}

func newCrowd(t *testing.T, clients int, generation uint16) *crowd {
	t.Helper()
	c := &crowd{
		t: t, rng: kit.Random(t),
		asked: make([]uint32, clients), since: make([]time.Duration, clients),
	}
	c.server = &crowdServer{crowd: c}
	const timeout = 200 * ms
	c.agent = newSingle(Config{
		Server: upstream.Config{
			MaxInFlight: clients + 64, MaxBatch: 1 << 20,
			Timeout: timeout, Retry: time.Second, Random: func(b []byte) { clear(b) },
			Generation: generation,
		},
		Idle:   deadline.Never,
		Window: 4, Gets: 4,
	}, c.server, c)
	c.front = c.agent.AddFront(front.NewDistcache(), c, buffer.NewPool(1<<20))
	c.agent.Start(0)
	c.agent.Server().Link().Connected(0)
	c.server.waiting = nil // the probe is answered here
	c.server.bring(codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
	for i := range clients {
		c.front.Opened(i, 0)
	}
	return c
}

// ask lets client i ask: all under the same uid.
func (c *crowd) ask(i int) {
	c.asked[i]++
	c.since[i] = c.now
	var payload [8]byte
	binary.BigEndian.PutUint32(payload[:], uint32(i))
	binary.BigEndian.PutUint32(payload[4:], c.asked[i])
	buf := c.front.Buffer(i)
	n := len(codec.AppendMessage(buf[:0], codec.Request, 1, codec.OpGet, payload[:]))
	c.front.Received(i, buf[:n], c.now)
}

// step is some time and a turn, in which dc_server answers some of what it has.
func (c *crowd) step() {
	c.now += time.Duration(c.rng.IntN(int(5 * ms)))
	c.agent.Expire(c.now)
	c.agent.TurnEnded(c.now)
	c.server.answerSome()
	for _, i := range c.free {
		c.ask(i)
	}
	c.free = c.free[:0]
	for i, since := range c.since {
		if c.now >= since+200*ms {
			c.t.Fatalf("client %d waits since %v, and it is %v", i, since, c.now)
		}
	}
}

// Write implements front.Sockets: the answer must be the client's own, and its last.
func (c *crowd) Write(i int, b []byte) (held bool, err error) {
	a := codec.NewAssembler(codec.Response)
	m, err := a.Next(b)
	if err != nil || m.UID != 1 || m.Op != codec.OpGet {
		c.t.Fatalf("client %d got %v, uid %d, %v", i, err, m.UID, m.Op)
	}
	c.answers++
	payload := m.Payload(nil)
	switch {
	case len(payload) == 1 && payload[0] == byte(codec.StatusDisconnected) && c.now >= c.since[i]+200*ms:
		c.givenUp++
	case len(payload) != 8 || binary.BigEndian.Uint32(payload) != uint32(i) || binary.BigEndian.Uint32(payload[4:]) != c.asked[i]:
		c.t.Fatalf("client %d got %x as the answer to its request %d", i, payload, c.asked[i])
	}
	c.free = append(c.free, i)
	return false, nil
}

// Resume implements front.Sockets.
func (c *crowd) Resume(int) {}

// EndTurn does nothing: each step ends with the end of a turn.
func (c *crowd) EndTurn() {}

func (c *crowd) WriteParted(client int, b []byte, _ int) (held bool, err error) {
	return c.Write(client, b)
}

// Unread never becomes less before all has been read.
func (c *crowd) Unread(int) int { return 0 }

// Close implements front.Sockets.
func (c *crowd) Close(i int) { c.t.Fatalf("client %d was closed", i) }

// LinkChanged implements Observer.
func (c *crowd) LinkChanged(_, to upstream.State, why error, _ time.Duration) {
	if to == upstream.Down {
		c.t.Fatalf("the link is lost: %v", why)
	}
}

// ClientDropped implements Observer.
func (c *crowd) ServingChanged(_, _ *upstream.Member, _ time.Duration) {}

func (c *crowd) ClientDropped(i int, why front.Reason, _ error, _ time.Duration) {
	c.t.Fatalf("client %d was dropped: %v", i, why)
}

func (c *crowd) mustBeWhole(generation uint16) {
	c.t.Helper()
	m := c.agent.Server().Mux().Counters
	c.t.Logf("from generation %#x: %d answers, %d given up, %+v", generation, c.answers, c.givenUp, m)
	if c.givenUp == 0 || m.Late == 0 || m.Unsolicited == 0 {
		c.t.Errorf("nothing came late or twice")
	}
	if generation > 0x8000 && !c.server.wrapped {
		c.t.Errorf("the uids did not wrap")
	}
	if uint64(c.answers) != m.Answered+m.TimedOut {
		c.t.Errorf("got %d answers, %d counted", c.answers, m.Answered+m.TimedOut)
	}
}

// Drive implements upstream.Transport.
func (s *crowdServer) Drive(*upstream.Link) {}

// Dial implements upstream.Transport.
func (s *crowdServer) Dial() {}

// Close implements upstream.Transport.
func (s *crowdServer) Close() { s.crowd.t.Fatal("the connection was closed") }

// Write implements upstream.Transport: no uid may be one that is still owed.
func (s *crowdServer) Write(b []byte) (int, error) {
	for rest := slices.Clone(b); len(rest) > 0; {
		m, err := s.requests.Next(rest)
		if err != nil {
			s.crowd.t.Fatalf("dc_server got %v", err)
		}
		rest = rest[len(m.Wire):]
		if s.owes(m.UID) {
			s.crowd.t.Fatalf("uid %#x is used while it is owed", m.UID)
		}
		s.wrapped = s.wrapped || s.largest > 0xf000_0000 && m.UID < 0x1000_0000
		s.largest = max(s.largest, m.UID)
		s.waiting = append(s.waiting, m)
	}
	return len(b), nil
}

func (s *crowdServer) owes(uid uint32) bool {
	return slices.ContainsFunc(s.forgot, func(f forgotten) bool { return f.uid == uid }) ||
		slices.ContainsFunc(s.waiting, func(m codec.Message) bool { return m.UID == uid })
}

// answerSome answers, in one write, some requests in any order; forgets one in a
// hundred until later; and repeats some answers.
func (s *crowdServer) answerSome() {
	rng := s.crowd.rng
	s.out = s.out[:0]
	for range rng.IntN(len(s.waiting) + 1) {
		i := rng.IntN(len(s.waiting))
		m := s.waiting[i]
		s.waiting[i] = s.waiting[len(s.waiting)-1]
		s.waiting = s.waiting[:len(s.waiting)-1]
		if rng.IntN(100) == 0 {
			s.forgot = append(s.forgot, forgotten{m.UID, s.crowd.now})
			continue
		}
		at := len(s.out)
		s.out = codec.AppendMessage(s.out, codec.Response, m.UID, m.Op, m.Payload(nil))
		if rng.IntN(20) == 0 {
			s.replies = append(s.replies, slices.Clone(s.out[at:]))
		}
	}
	for len(s.replies) > 10 {
		s.out = append(s.out, s.replies[0]...)
		s.replies = s.replies[1:]
	}
	for len(s.forgot) > 0 && s.crowd.now > s.forgot[0].when+300*ms {
		s.out = codec.AppendMessage(s.out, codec.Response, s.forgot[0].uid, codec.OpGet, []byte("a late answer"))
		s.forgot = s.forgot[1:]
	}
	s.bring(s.out)
}

func (s *crowdServer) bring(b []byte) {
	for l := s.crowd.agent.Server().Link(); len(b) > 0; {
		n := copy(l.Buffer(), b)
		b = b[n:]
		l.Received(n, s.crowd.now)
	}
}
