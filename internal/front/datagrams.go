package front

import (
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
)

const (
	// DatagramIndex is the index of Datagrams in each Asker: no Front has it.
	DatagramIndex = 255
	// DatagramPatience is how old a get may be when it is answered. stunnel waits for 4 to 8 ms; then
	// its socket is closed, and the port may be that of another one.
	DatagramPatience = 8 * time.Millisecond
	// MaxGets is how many gets may wait for their answers. One more is answered “not found” at once:
	// no real load brings so many within 8 ms.
	MaxGets = 4096
	// DatagramMemory is the most that Datagrams hold, in bytes: the gets, whose table grows by doubling.
	DatagramMemory = MaxGets * 2 * 80
	// unanswered is the Asker.Client of requests that have no answer.
	unanswered = -1
)

// Peer names where a datagram came from. Only the Sender knows what it means.
type Peer uint64

// Sender sends datagrams.
type Sender interface {
	// Send sends b, which lives until Send returns. It reports false when the system did not take it.
	Send(to Peer, b []byte) bool
}

// Forwarder is what Datagrams does with requests.
type Forwarder interface {
	// Forward takes one whole, valid request, a view that lives until it returns. Its answer comes
	// through Datagrams.Answer. false means that there is no way to dc_server now: no answer comes.
	Forward(a Asker, m *codec.Message, now time.Duration) bool
}

// Datagrams serves stunnel, which asks in the datagrams of package sessiond: a new socket for each.
// It is a pure state machine, as a Front is. What it holds is bounded by MaxGets: a new session and
// a removal are forwarded and forgotten.
type Datagrams struct {
	sender  Sender
	agent   Forwarder
	honours bool // a removal is forwarded
	gets    []openGet
	free    []int32
	payload []byte // this, message and packet never grow: what append leaves behind would not be wiped
	message []byte
	request codec.Message // kept here, so that it costs no allocation
	packet  []byte

	// Counters counts what happened, since start, and Asked the requests that were sent on, or answered
	// here for want of a connection.
	Counters DatagramCounters
	Asked    Counters
}

// openGet is a get that waits for its answer.
type openGet struct {
	from Peer
	came time.Duration
	seq  uint32 // of the Asker; grows each time the place is freed
	open bool
	key  [sessiond.KeyLen]byte
}

// NewDatagrams makes Datagrams with nothing open. honours tells that a removal is forwarded: without
// it removals are counted and dropped. stunnel removes live sessions when its local cache is full and
// at each SIGHUP, which would end them for all hosts.
func NewDatagrams(s Sender, agent Forwarder, honours bool) *Datagrams {
	const payload = codec.AddOverhead + sessiond.KeyLen + sessiond.MaxValue
	return &Datagrams{sender: s, agent: agent, honours: honours, payload: make([]byte, 0, payload),
		message: make([]byte, 0, codec.HeaderSize+payload), packet: make([]byte, 0, sessiond.MaxPacket)}
}

// Open is the number of gets that wait for their answers.
func (d *Datagrams) Open() int { return len(d.gets) - len(d.free) }

// Received takes a datagram, which lives until Received returns. It came at that time at the earliest.
func (d *Datagrams) Received(from Peer, b []byte, came, now time.Duration) {
	p, fault := sessiond.ParseRequest(b)
	if fault != sessiond.OK {
		d.Counters.Dropped[fault]++
		return
	}
	switch p.Type {
	case sessiond.New:
		d.Asked.Requests[codec.OpAdd]++
		d.payload = codec.AppendAdd(d.payload[:0], codec.Add{Timeout: p.Timeout, ID: p.Key, Data: p.Value})
		d.forward(Asker{Front: DatagramIndex, Client: unanswered}, codec.OpAdd, d.payload, now)
	case sessiond.Get:
		d.get(from, p.Key, came, now)
	case sessiond.Remove:
		if !d.honours {
			d.Counters.Ignored++
			return
		}
		d.Asked.Requests[codec.OpRemove]++
		d.forward(Asker{Front: DatagramIndex, Client: unanswered}, codec.OpRemove, p.Key, now)
	}
}

// forward reports false when the request did not get on its way.
func (d *Datagrams) forward(a Asker, op codec.Op, payload []byte, now time.Duration) bool {
	d.message = codec.AppendMessage(d.message[:0], codec.Request, 0, op, payload)
	d.request = codec.Message{Wire: d.message, Op: op, PayloadLen: len(payload)}
	ok := d.agent.Forward(a, &d.request, now)
	clear(d.message) // sessions are secrets
	clear(d.payload)
	return ok
}

// get forwards a get, or answers it here: “not found” at once is what a client can use, and silence
// costs it 4 to 8 ms.
func (d *Datagrams) get(from Peer, key []byte, came, now time.Duration) {
	switch {
	case now-came > DatagramPatience:
		d.Counters.Gets[TooLate]++
		return
	case d.Open() == MaxGets:
		d.Counters.Gets[TooMany]++
		d.send(from, sessiond.Packet{Type: sessiond.NotFound, Key: key})
		return
	}
	d.Asked.Requests[codec.OpGet]++
	i := d.take()
	g := &d.gets[i]
	g.from, g.came, g.open = from, came, true
	copy(g.key[:], key)
	if !d.forward(Asker{Front: DatagramIndex, Client: int32(i), Seq: g.seq}, codec.OpGet, key, now) {
		d.release(i)
		d.Counters.Gets[NoServer]++
		d.send(from, sessiond.Packet{Type: sessiond.NotFound, Key: key})
	}
}

// take finds a place for a get.
func (d *Datagrams) take() int {
	if n := len(d.free); n > 0 {
		i := d.free[n-1]
		d.free = d.free[:n-1]
		return int(i)
	}
	before := d.gets
	if d.gets = append(before, openGet{}); len(before) == cap(before) {
		clear(before) // it was copied, and has keys
	}
	return len(d.gets) - 1
}

// release frees the place of a get, and wipes its key.
func (d *Datagrams) release(i int) {
	d.gets[i] = openGet{seq: d.gets[i].seq + 1}
	d.free = append(d.free, int32(i))
}

// Answer brings the answer to the request a, in its wire form, which lives until Answer returns. It
// reports false when nobody waits for it: it came too late.
func (d *Datagrams) Answer(a Asker, wire []byte, now time.Duration) bool {
	if a.Client == unanswered {
		return true
	}
	i := int(a.Client)
	g := &d.gets[i]
	if !g.open || g.seq != a.Seq {
		return false
	}
	defer d.release(i)
	if now-g.came > DatagramPatience {
		d.Counters.Gets[TooLate]++
		return false
	}
	p, result := sessiond.Packet{Type: sessiond.NotFound, Key: g.key[:]}, Missing
	_, status := codec.Outcome(wire)
	switch value := wire[codec.HeaderSize:]; {
	case status == codec.StatusDisconnected:
		result = NoServer
	case status == codec.StatusOK && len(value) > sessiond.MaxValue:
		result = TooLarge
	case status == codec.StatusOK && len(value) > 1:
		p.Type, p.Value, result = sessiond.Found, value, Hit
	}
	d.Counters.Gets[result]++
	d.send(g.from, p)
	return true
}

// send sends a packet, and wipes it here.
func (d *Datagrams) send(to Peer, p sessiond.Packet) {
	d.packet = sessiond.Append(d.packet[:0], p)
	if !d.sender.Send(to, d.packet) {
		d.Counters.Unsent++
	}
	clear(d.packet)
}
