package agent

import (
	"testing"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/upstream"
)

// moving is a rig whose agent is told to move to a second server.
type moving struct {
	*rig
	old   *wire
	moved []bool // what ended was told
}

// startMove begins a move, with one request of client 1 in flight at the old server.
func startMove(t *testing.T, config Config) (m *moving, inFlight codec.Message) {
	r := upRig(t, config)
	r.come(1, 2)
	r.ask(1, 7, "before")
	inFlight = r.seenOne()
	m = &moving{rig: r, old: r.wire}
	r.wire = &wire{rig: r}
	r.move(r.wire, func(moved bool, _ time.Duration) { m.moved = append(m.moved, moved) })
	return m, inFlight
}

// arrive lets the new connection come up.
func (m *moving) arrive() {
	m.t.Helper()
	m.wire.link.Connected(m.now)
	m.wire.written = nil
	m.bring(m.wire, codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
	if m.Server().Link() != m.wire.link || m.Server().State() != upstream.Up {
		m.t.Fatal("the agent does not use the new connection")
	}
}

// bring brings bytes from the dc_server behind w.
func (m *moving) bring(w *wire, b []byte) {
	n := copy(w.link.Buffer(), b)
	w.link.Received(n, m.now)
	m.TurnEnded(m.now)
}

func (m *moving) mustHaveMoved(want ...bool) {
	m.t.Helper()
	if len(m.moved) != len(want) || len(want) > 0 && m.moved[0] != want[0] {
		m.t.Errorf("got %v told, want %v", m.moved, want)
	}
}

// TestF10MoveFailsNoRequest: until the new connection is up the old one serves; what is in flight
// then is finished there, and it is closed after that.
func TestF10MoveFailsNoRequest(t *testing.T) {
	m, before := startMove(t, testConfig())
	m.ask(2, 8, "while connecting")
	if m.old.written == nil || m.wire.written != nil {
		t.Error("a request of the time before the new connection did not go to the old server")
	}
	m.old.written = nil
	m.mustHaveMoved()
	m.arrive()
	m.mustHaveMoved(true)
	m.ask(2, 9, "after")
	after := m.seenOne()
	if m.old.closes != 0 || m.old.written != nil {
		t.Error("the old connection was closed or used before its requests were answered")
	}
	m.bring(m.old, codec.AppendMessage(nil, codec.Response, before.UID, before.Op, []byte("old")))
	m.mustGet(1, 7, "old")
	m.at(m.now + 100*ms)
	m.answer(after, "new")
	m.at(testTimeout) // of what the old server never answers
	m.mustGetBytes(2, append(codec.AppendMessage(nil, codec.Response, 8, codec.OpGet, []byte(disconnected)),
		codec.AppendMessage(nil, codec.Response, 9, codec.OpGet, []byte("new"))...))
	if m.old.closes != 1 {
		t.Errorf("got the old connection closed %d times, want once, when nothing is owed any more", m.old.closes)
	}
}

// TestF10MoveEndsTheOldWhenQuiet: with nothing in flight the old connection ends at once.
func TestF10MoveEndsTheOldWhenQuiet(t *testing.T) {
	m, before := startMove(t, testConfig())
	m.bring(m.old, codec.AppendMessage(nil, codec.Response, before.UID, before.Op, []byte("old")))
	m.wire.link.Connected(m.now)
	n := copy(m.wire.link.Buffer(), codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
	m.wire.link.Received(n, m.now)
	if m.old.closes != 1 {
		t.Errorf("got the old connection closed %d times, want once", m.old.closes)
	}
	m.at(time.Minute)
	if m.old.dials != 1 {
		t.Errorf("got %d attempts to connect to the old server, want the first alone", m.old.dials)
	}
}

// TestF10MoveFails: the old server stays in use, and is not tried to leave again.
func TestF10MoveFails(t *testing.T) {
	m, before := startMove(t, testConfig())
	m.wire.link.Broken(upstream.ErrClosed, m.now)
	m.mustHaveMoved(false)
	m.bring(m.old, codec.AppendMessage(nil, codec.Response, before.UID, before.Op, []byte("old")))
	m.mustGet(1, 7, "old")
	m.at(testRetry * 3)
	if m.wire.dials != 1 || m.Server().Link() != m.old.link {
		t.Errorf("got %d attempts to connect to the new server, want one", m.wire.dials)
	}
}

// TestF10MoveWhileDown: the old connection is lost during the move. The first of the two that is
// up is used, and the other one is given up.
func TestF10MoveWhileDown(t *testing.T) {
	m, _ := startMove(t, testConfig())
	m.old.link.Broken(upstream.ErrClosed, m.now)
	m.mustGet(1, 7, disconnected)
	m.arrive()
	m.at(testRetry * 3)
	if m.old.dials != 1 {
		t.Errorf("got %d attempts to connect to the old server, want the first alone", m.old.dials)
	}

	m, _ = startMove(t, testConfig())
	m.old.link.Broken(upstream.ErrClosed, m.now)
	m.at(FirstWait)
	m.old.link.Connected(m.now)
	m.bring(m.old, codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
	if m.wire.closes != 1 || m.Server().State() != upstream.Up {
		t.Error("the move goes on although the old connection was made anew")
	}
	m.mustHaveMoved()
}

// TestF10MoveBoundsTheOld: without a timeout, a server that never answers is waited for no longer
// than drainLimit after the move.
func TestF10MoveBoundsTheOld(t *testing.T) {
	config := testConfig()
	config.Server.Timeout = deadline.Never
	m, _ := startMove(t, config)
	m.arrive()
	m.at(drainLimit - 1)
	m.mustGetNothing(1)
	m.at(drainLimit)
	m.mustGet(1, 7, disconnected)
	if m.old.closes != 1 {
		t.Errorf("got the old connection closed %d times, want once", m.old.closes)
	}
}

// TestF10StopDuringAMove ends all connections, at each stage.
func TestF10StopDuringAMove(t *testing.T) {
	for name, until := range map[string]func(*moving){
		"connecting":    func(*moving) {},
		"the old owes":  (*moving).arrive,
		"another start": func(m *moving) { m.move(&wire{rig: m.rig}, nil) },
	} {
		t.Run(name, func(t *testing.T) {
			m, _ := startMove(t, testConfig())
			until(m)
			m.Agent.Stop(m.now)
			m.mustGet(1, 7, disconnected)
			if m.old.closes != 1 || m.wire.closes != 1 || m.Deadline() != deadline.Never {
				t.Errorf("got %d and %d connections closed and the next deadline at %v, want both, and none", m.old.closes, m.wire.closes, m.Deadline())
			}
		})
	}
}
