package agent

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"distcache/codec"
	"distcache/codec/sessiond"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/upstream"
)

// stunnel is a rig's Sender, and plays the stunnels that ask.
type stunnel struct {
	*front.Datagrams
	rig  *rig
	got  []sessiond.Packet
	from []front.Peer
	full bool // the system takes nothing
}

func newStunnel(r *rig, honours bool) *stunnel {
	s := &stunnel{rig: r}
	s.Datagrams = r.AddDatagrams(s, honours)
	return s
}

func (s *stunnel) Send(to front.Peer, b []byte) bool {
	if s.full {
		return false
	}
	p, fault := sessiond.ParseResponse(bytes.Clone(b))
	if fault != sessiond.OK {
		s.rig.t.Errorf("got %x sent, want an answer: %v", b, fault)
	}
	s.got, s.from = append(s.got, p), append(s.from, to)
	return true
}

func key(text string) []byte { return append([]byte(text), make([]byte, sessiond.KeyLen-len(text))...) }

// ask sends a packet from a socket of that number, and ends the turn.
func (s *stunnel) ask(from front.Peer, p sessiond.Packet) {
	s.Received(from, sessiond.Append(nil, p), s.rig.now, s.rig.now)
	s.rig.TurnEnded(s.rig.now)
}

func (s *stunnel) get(from front.Peer, id string) {
	s.ask(from, sessiond.Packet{Type: sessiond.Get, Key: key(id)})
}

// mustGet holds what was answered since, and to whom.
func (s *stunnel) mustGet(to front.Peer, want sessiond.Type, id, value string) {
	s.rig.t.Helper()
	if len(s.got) != 1 || s.from[0] != to || s.got[0].Type != want || !bytes.Equal(s.got[0].Key, key(id)) || string(s.got[0].Value) != value {
		s.rig.t.Errorf("got %v to %v, want one %v of %q with %.40q to %d", s.got, s.from, want, id, value, to)
	}
	s.got, s.from = nil, nil
}

func (s *stunnel) mustGetNothing() {
	s.rig.t.Helper()
	if len(s.got) > 0 {
		s.rig.t.Errorf("got %v, want no answer", s.got)
	}
	s.got, s.from = nil, nil
}

// mustCount holds a figure.
func (r *rig) mustCount(want float64, name string, labels ...string) {
	r.t.Helper()
	if got := r.figuresOf().Total(name, labels...); got != want {
		r.t.Errorf("%s %q: got %v, want %v", name, labels, got, want)
	}
}

const gets = "distcache_sessiond_gets_total"

func TestDatagramGet(t *testing.T) {
	long := strings.Repeat("x", sessiond.MaxValue)
	for _, row := range []struct {
		name, payload string
		want          sessiond.Type
		value, result string
	}{
		{"found", "a session", sessiond.Found, "a session", "found"},
		{"found, 512 bytes", long, sessiond.Found, long, "found"},
		{"found, too large", long + "x", sessiond.NotFound, "", "too-large"},
		{"found, of several frames", strings.Repeat(long, 9), sessiond.NotFound, "", "too-large"},
		{"not found", "\x01", sessiond.NotFound, "", "missing"},
		{"another status", "\x63", sessiond.NotFound, "", "missing"},
		{"dc_server's dc_server is away", disconnected, sessiond.NotFound, "", "no-server"},
		{"empty", "", sessiond.NotFound, "", "missing"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := upRig(t, testConfig())
			s := newStunnel(r, false)
			s.get(7, "id")
			m := r.seenOne()
			if m.Op != codec.OpGet || !bytes.Equal(m.Payload(nil), key("id")) {
				t.Errorf("dc_server got %v %x, want a GET of the 32 bytes of the key", m.Op, m.Payload(nil))
			}
			s.mustGetNothing()
			if r.Agent.Busy() != 1 {
				t.Errorf("got %d busy, want the get that is open", r.Agent.Busy())
			}
			r.answer(m, row.payload)
			s.mustGet(7, row.want, "id", row.value)
			r.mustCount(1, gets, row.result)
			r.mustCount(1, gets)
			if s.Open() != 0 || r.Agent.Busy() != 0 {
				t.Errorf("got %d gets open, want none", s.Open())
			}
		})
	}
}

// TestD09LateIsNotAnswered: 8 ms after the get came nobody listens any more.
func TestD09LateIsNotAnswered(t *testing.T) {
	for _, row := range []struct {
		after   time.Duration
		answers bool
	}{{0, true}, {front.DatagramPatience, true}, {front.DatagramPatience + 1, false}, {testTimeout - ms, false}, {testTimeout + ms, false}} {
		r := upRig(t, testConfig())
		s := newStunnel(r, false)
		s.get(7, "id")
		m := r.seenOne()
		r.at(row.after)
		r.answer(m, "a session")
		if row.answers {
			s.mustGet(7, sessiond.Found, "id", "a session")
		} else {
			s.mustGetNothing()
			r.mustCount(1, gets, "too-late")
		}
		if s.Open() != 0 {
			t.Errorf("after %v: got %d gets open, want none", row.after, s.Open())
		}
	}
}

// TestD09LateInTheSocket: a datagram that has waited too long before it was read is not sent on.
func TestD09LateInTheSocket(t *testing.T) {
	r := upRig(t, testConfig())
	s := newStunnel(r, false)
	r.now = time.Second
	wire := sessiond.Append(nil, sessiond.Packet{Type: sessiond.Get, Key: key("id")})
	s.Received(1, wire, r.now-front.DatagramPatience-1, r.now)
	r.TurnEnded(r.now)
	if got := r.seen(); len(got) > 0 {
		t.Errorf("dc_server got %d requests, want none", len(got))
	}
	s.mustGetNothing()
	r.mustCount(1, gets, "too-late")
}

// TestD01NotFoundAtOnceWithoutServer: whatever state the connection is in, other than up.
func TestD01NotFoundAtOnceWithoutServer(t *testing.T) {
	for name, r := range map[string]*rig{"at the start": newRig(t, testConfig()), "down": downRig(t, testConfig())} {
		t.Run(name, func(t *testing.T) {
			s := newStunnel(r, true)
			s.get(7, "id")
			s.mustGet(7, sessiond.NotFound, "id", "")
			s.ask(7, sessiond.Packet{Type: sessiond.New, Timeout: time.Minute, Key: key("id"), Value: []byte("a session")})
			s.ask(7, sessiond.Packet{Type: sessiond.Remove, Key: key("id")})
			s.mustGetNothing()
			r.mustCount(1, gets, "no-server")
			r.mustCount(3, Disconnected, "no-connection")
			r.mustCount(3, metrics.Answers)
			if s.Open() != 0 {
				t.Errorf("got %d gets open, want none", s.Open())
			}
			r.comeUp()
			r.at(FirstWait + time.Second)
			if got := r.seen(); len(got) > 0 {
				t.Errorf("dc_server got %d requests later, want none", len(got))
			}
		})
	}
}

// TestD01LostMeanwhile: a connection that ends in time is a miss in time.
func TestD01LostMeanwhile(t *testing.T) {
	r := upRig(t, testConfig())
	s := newStunnel(r, false)
	s.get(7, "id")
	r.Link().Broken(upstream.ErrClosed, r.now)
	s.mustGet(7, sessiond.NotFound, "id", "")
	r.mustCount(1, gets, "no-server")
}

func TestDatagramNew(t *testing.T) {
	for _, row := range []struct{ asked, floor, want time.Duration }{
		{300 * time.Second, 0, 300 * time.Second}, {0, 0, 0}, {65535 * time.Second, 0, 65535 * time.Second}, {time.Second, time.Minute, time.Minute},
	} {
		config := testConfig()
		config.MinExpiry = row.floor
		r := upRig(t, config)
		s := newStunnel(r, false)
		value := strings.Repeat("v", sessiond.MaxValue)
		s.ask(7, sessiond.Packet{Type: sessiond.New, Timeout: row.asked, Key: key("id"), Value: []byte(value)})
		m := r.seenOne()
		add, status := codec.ParseAdd(m.Payload(nil))
		if status != codec.StatusOK || add.Timeout != row.want || !bytes.Equal(add.ID, key("id")) || string(add.Data) != value {
			t.Errorf("dc_server got %v %+v, want the session for %v", status, add, row.want)
		}
		r.answer(m, "\x00")
		s.mustGetNothing()
		r.mustCount(1, metrics.Answers, "ADD", "OK")
		if s.Open() != 0 {
			t.Errorf("got %d open, want a store forgotten", s.Open())
		}
	}
}

// TestD10Removals: ignored and counted, unless they are honoured.
func TestD10Removals(t *testing.T) {
	for _, honours := range []bool{false, true} {
		r := upRig(t, testConfig())
		s := newStunnel(r, honours)
		s.ask(7, sessiond.Packet{Type: sessiond.Remove, Key: key("id")})
		sent := r.seen()
		if got := len(sent) == 1 && sent[0].Op == codec.OpRemove && bytes.Equal(sent[0].Payload(nil), key("id")); got != honours {
			t.Errorf("honours %v: dc_server got %v, want a REMOVE or nothing", honours, sent)
		}
		if honours {
			r.answer(sent[0], "\x00")
		}
		s.mustGetNothing()
		ignored := map[bool]float64{false: 1, true: 0}[honours]
		r.mustCount(ignored, "distcache_sessiond_removes_ignored_total")
	}
}

// TestD09Garbage: dropped and counted, by what is wrong; the loop is left alone.
func TestD09Garbage(t *testing.T) {
	r := upRig(t, testConfig())
	s := newStunnel(r, true)
	good := sessiond.Append(nil, sessiond.Packet{Type: sessiond.Get, Key: key("id")})
	version, kind, response := bytes.Clone(good), bytes.Clone(good), bytes.Clone(good)
	version[0], kind[1], response[1] = 2, 9, byte(sessiond.NotFound)
	for _, row := range []struct {
		wire   []byte
		reason string
	}{
		{nil, "short"}, {good[:35], "short"}, {make([]byte, 549), "long"}, {make([]byte, 36), "version"}, {version, "version"}, {kind, "type"},
		{response, "type"}, {append([]byte{1, 1, 0, 0}, make([]byte, 32)...), "key"}, {append(bytes.Clone(good), 1), "value"},
	} {
		before := r.figuresOf().Total("distcache_sessiond_dropped_total", row.reason)
		s.Received(1, row.wire, r.now, r.now)
		r.mustCount(before+1, "distcache_sessiond_dropped_total", row.reason)
	}
	r.TurnEnded(r.now)
	s.mustGetNothing()
	if got := r.seen(); len(got) > 0 {
		t.Errorf("dc_server got %d requests, want none", len(got))
	}
}

// TestD09ManyGets: what is held is bounded, and the rest is answered at once.
func TestD09ManyGets(t *testing.T) {
	config := testConfig()
	config.Server.MaxInFlight = 2 * front.MaxGets
	r := upRig(t, config)
	s := newStunnel(r, false)
	for n := range front.MaxGets {
		s.get(front.Peer(n), "id")
	}
	s.mustGetNothing()
	s.get(1, "one more")
	s.mustGet(1, sessiond.NotFound, "one more", "")
	r.mustCount(1, gets, "too-many")
	for _, m := range r.seen() {
		r.answer(m, "a session")
	}
	if len(s.got) != front.MaxGets || s.Open() != 0 {
		t.Errorf("got %d answers and %d open, want all answered", len(s.got), s.Open())
	}
	s.got, s.from = nil, nil
	s.get(1, "again")
	r.answer(r.seenOne(), "a session")
	s.mustGet(1, sessiond.Found, "again", "a session")
}

// TestD05AnswersFindTheirGets: in any order, from any sockets, of one key and of several.
func TestD05AnswersFindTheirGets(t *testing.T) {
	r := upRig(t, testConfig())
	s := newStunnel(r, false)
	for n := range 4 {
		s.get(front.Peer(100+n), []string{"a", "b", "a", "c"}[n])
	}
	asked := r.seen()
	slices.Reverse(asked)
	for n, m := range asked {
		id := string(bytes.TrimRight(m.Payload(nil), "\x00"))
		r.answer(m, "session of "+id)
		s.mustGet(front.Peer(103-n), sessiond.Found, id, "session of "+id)
	}
}

// TestDatagramsBesideClients: both go over the one connection, and each gets what is its own.
func TestDatagramsBesideClients(t *testing.T) {
	r := upRig(t, testConfig())
	s := newStunnel(r, false)
	r.come(1)
	r.ask(1, 5, "client's")
	client := r.seenOne()
	s.get(7, "stunnel's")
	other := r.seenOne()
	r.answer(other, "of stunnel")
	r.answer(client, "of a client")
	r.mustGet(1, 5, "of a client")
	s.mustGet(7, sessiond.Found, "stunnel's", "of stunnel")
	r.mustCount(2, "distcache_requests_total", "GET")
}

func TestDatagramUnsent(t *testing.T) {
	r := downRig(t, testConfig())
	s := newStunnel(r, false)
	s.full = true
	s.get(7, "id")
	r.mustCount(1, "distcache_sessiond_unsent_total")
}
