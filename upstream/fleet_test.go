package upstream

import (
	"strings"
	"testing"
	"time"

	"distcache/codec"
)

// fleet is a list of servers whose connections only remember. Its servers are named a, b, c and so on.
type fleet struct {
	*Servers
	*recorder
	t       *testing.T
	now     time.Duration
	wires   map[string]*fleetWire
	serves  []string // what ServingChanged told
	changes []string // what MemberChanged told of Up and Down
}

// fleetWire is the connection to one server.
type fleetWire struct {
	link    *Link
	dials   []time.Duration
	fleet   *fleet
	closes  int
	written []byte
}

func (w *fleetWire) Drive(l *Link) { w.link = l }
func (w *fleetWire) Dial()         { w.dials = append(w.dials, w.fleet.now) }
func (w *fleetWire) Close()        { w.closes++ }

func (w *fleetWire) Write(b []byte) (int, error) {
	w.written = append(w.written, b...)
	return len(b), nil
}

const fleetRetry = 5 * time.Second

// newFleet is a started list of the servers that names has, one a letter. A capital is the same server, connected to in another way.
func newFleet(t *testing.T, spread bool, names string) *fleet {
	f := &fleet{t: t, recorder: &recorder{}, wires: map[string]*fleetWire{}}
	f.Servers = NewServers(ServersConfig{Spread: spread, Retry: fleetRetry, Drain: 200 * ms, Random: func(b []byte) { clear(b) }}, f.recorder, f)
	f.arrange(names)
	f.Start(0)
	return f
}

// arrange changes the list.
func (f *fleet) arrange(names string) {
	f.Arrange(strings.Split(names, ""), func(name string) Spec {
		w := &fleetWire{fleet: f}
		f.wires[name] = w
		return Spec{Name: name, Share: strings.ToLower(name), Transport: w, Config: Config{MaxInFlight: 1000, MaxBatch: 1 << 20, Timeout: 200 * ms, Retry: fleetRetry,
			Random: func(b []byte) { clear(b) }}}
	}, f.now)
}

// MemberChanged and ServingChanged implement Overseer.
func (f *fleet) MemberChanged(m *Member, _, to State, _ error, _ time.Duration) {
	if to == Up || to == Down {
		f.changes = append(f.changes, m.Name()+" "+to.String())
	}
}

func (f *fleet) ServingChanged(from, to *Member, _ time.Duration) {
	text := to.Name()
	if from != nil {
		text = from.Name() + ">" + text
	}
	f.serves = append(f.serves, text)
}

// up lets the attempt to a server succeed.
func (f *fleet) up(name string) {
	f.t.Helper()
	w := f.wires[name]
	if w.link.State() != Connecting {
		f.t.Fatalf("%s is %v at %v, want it connecting", name, w.link.State(), f.now)
	}
	w.link.Connected(f.now)
	w.written = nil
	f.bring(name, codec.AppendStatus(nil, 0, codec.OpHave, codec.StatusNotOK))
}

func (f *fleet) bring(name string, b []byte) {
	w := f.wires[name]
	w.link.Received(copy(w.link.Buffer(), b), f.now)
	f.Flush(f.now)
}

// down ends the connection, or the attempt.
func (f *fleet) down(name string) {
	f.wires[name].link.Broken(errTest, f.now)
	f.Flush(f.now)
}

// at moves the clock on, with each deadline met.
func (f *fleet) at(now time.Duration) {
	f.t.Helper()
	for n := 0; f.Deadline() <= now; n++ {
		if n > 10_000 {
			f.t.Fatalf("the deadline stays at %v: the loop spins", f.Deadline())
		}
		f.now = max(f.now, f.Deadline())
		f.Expire(f.now)
		f.Flush(f.now)
	}
	f.now = now
}

// ask submits a GET for an owner, and gives its uid on the wire; ok is false when there is no connection.
func (f *fleet) ask(owner int, id string) error {
	m := request(uint32(owner), codec.OpGet, id)
	err := f.Submit(Owner{Client: int32(owner)}, &m, f.now)
	f.Flush(f.now)
	return err
}

// answer lets a server answer the one request that it was sent since.
func (f *fleet) answer(name, payload string) {
	f.t.Helper()
	w, a := f.wires[name], codec.Assembler{}
	m, err := a.Next(w.written)
	if err != nil {
		f.t.Fatalf("%s got %x, %v, want a request", name, w.written, err)
	}
	w.written = nil
	f.bring(name, codec.AppendMessage(nil, codec.Response, m.UID, m.Op, []byte(payload)))
}

// states are those of all members, in order: U up, C connecting, P probing, R resting, D down.
func (f *fleet) states() string {
	text := ""
	for _, m := range f.Members() {
		switch {
		case m.Resting():
			text += m.name + "R "
		default:
			text += m.name + strings.ToUpper(m.State().String()[:1]) + " "
		}
	}
	return strings.TrimSpace(text)
}

func (f *fleet) mustBe(states, serving string) {
	f.t.Helper()
	got := ""
	if s := f.Serving(); s != nil {
		got = s.Name()
	}
	if f.states() != states || got != serving {
		f.t.Errorf("at %v: got %q and %q serves, want %q and %q", f.now, f.states(), got, states, serving)
	}
}

// bringAlive lets time pass while the server answers the probes of the idle connection.
func (f *fleet) bringAlive(name string, d time.Duration) {
	for until := f.now + d; f.now < until; {
		f.at(f.now + min(d, time.Second))
		if len(f.wires[name].written) > 0 {
			f.answer(name, "\x01")
		}
	}
}
