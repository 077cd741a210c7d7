package agent

import (
	"bytes"
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
	"distcache/internal/front"
	"distcache/upstream"
)

// stunnels are what asks in datagrams, in some lives: front.Sender.
type stunnels struct {
	w     *world
	front *front.Datagrams
	peers front.Peer
	gets  map[front.Peer]*datagramGet
}

// datagramGet is a get that may be answered.
type datagramGet struct {
	key  []byte
	came time.Duration
}

func (w *world) addStunnels() *stunnels {
	s := &stunnels{w: w, gets: map[front.Peer]*datagramGet{}}
	s.front = w.agent.AddDatagrams(s, w.roll(50))
	return s
}

// act sends a datagram from a new socket.
func (s *stunnels) act() {
	w := s.w
	s.peers++
	p := sessiond.Packet{Type: pick(w, sessiond.Get, sessiond.Get, sessiond.Get, sessiond.New, sessiond.Remove), Key: make([]byte, sessiond.KeyLen)}
	for i := range p.Key {
		p.Key[i] = byte(w.rng.Uint32())
	}
	came := w.now - time.Duration(w.rng.Int64N(int64(pick(w, 1, 1, 1, 2*front.DatagramPatience))))
	op, payload := codec.OpGet, p.Key
	switch p.Type {
	case sessiond.New:
		p.Timeout = pick(w, 0, 300*time.Second)
		p.Value = p.Key[:1+w.rng.IntN(len(p.Key))]
		op, payload = codec.OpAdd, codec.AppendAdd(nil, codec.Add{Timeout: max(p.Timeout, w.config.MinExpiry), ID: p.Key, Data: p.Value})
	case sessiond.Remove:
		op = codec.OpRemove
	case sessiond.Get:
		s.gets[s.peers] = &datagramGet{p.Key, came}
	}
	w.asked = append(w.asked, &ask{digest: digest(op, payload)})
	w.totals.Unseen++ // its answer is counted, and may not be seen
	w.totals.Datagrams++
	wire := sessiond.Append(nil, p)
	if w.roll(10) {
		wire = wire[:w.rng.IntN(sessiond.HeaderSize)]
	}
	w.note("datagram %d: %v of %x, %d bytes", s.peers, p.Type, p.Key[:4], len(wire))
	up, whole := w.state == upstream.Up, len(wire) >= sessiond.HeaderSize
	s.front.Received(s.peers, wire, came, w.now)
	clear(wire) // the memory is the loop's
	_, waits := s.gets[s.peers]
	w.must(up || !whole || !waits || w.now-came > front.DatagramPatience, "datagram %d is not answered while the link is %v", s.peers, w.state)
}

// Send holds that an answer is the one to a get, and comes in time, once.
func (s *stunnels) Send(to front.Peer, b []byte) bool {
	w := s.w
	p, fault := sessiond.ParseResponse(b)
	w.must(fault == sessiond.OK, "datagram %d is answered with %x: %v", to, b, fault)
	g := s.gets[to]
	w.must(g != nil, "datagram %d is answered, and waits for no answer", to)
	delete(s.gets, to)
	w.must(bytes.Equal(p.Key, g.key), "datagram %d asked for %x and is answered for %x", to, g.key, p.Key)
	w.must(w.now <= g.came+front.DatagramPatience, "datagram %d is answered after %v", to, w.now-g.came)
	want := answerTo(digest(codec.OpGet, g.key))
	if p.Type == sessiond.Found {
		w.totals.DatagramHits++
		w.must(bytes.Equal(p.Value, want), "datagram %d got another's session, of %d bytes", to, len(p.Value))
	}
	return w.roll(95)
}

// mustBeEmpty holds that nothing is left.
func (s *stunnels) mustBeEmpty() {
	s.w.must(s.front.Open() == 0, "%d gets are still open", s.front.Open())
	clear(s.gets) // those that were too late
}
