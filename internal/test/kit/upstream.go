package kit

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"distcache/codec"
)

// Upstream is a dc_server in memory. By itself it is honest: it does what PROTOCOL.md
// says and answers in order. Rules (Expect, After, On) and OnConnect make it otherwise.
// A dc_client probes each new connection with a HAVE of a random ID before anything
// else: an honest Upstream answers it NOTOK, After(1) lets it pass.
type Upstream struct {
	t        testing.TB
	sessions sessions
	record   record

	mu       sync.Mutex
	at       Endpoint
	listener net.Listener // nil when stopped
	peers    map[*peer]struct{}
	rules    []*Rule
	greet    Fault
	running  sync.WaitGroup
}

// NewUpstream starts an Upstream that listens there, until the test ends.
func NewUpstream(t testing.TB, at Endpoint) *Upstream {
	t.Helper()
	u := &Upstream{
		t:        t,
		at:       at,
		sessions: sessions{byID: map[string]session{}},
		peers:    map[*peer]struct{}{},
	}
	u.Start()
	t.Cleanup(u.finish)
	return u
}

// Endpoint is where it listens, or did before Stop.
func (u *Upstream) Endpoint() Endpoint {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.at
}

// Start listens again where it did before Stop. The sessions are those of before.
func (u *Upstream) Start() {
	u.t.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.listener != nil {
		u.t.Fatalf("upstream on %v: started twice; stop it first", u.at)
	}
	var listener net.Listener
	var at Endpoint
	var err error
	// After Stop, the fork of another test's process may hold the old one for a moment.
	Within(Patience, func() bool {
		listener, at, err = u.at.listen()
		return err == nil
	})
	if err != nil {
		u.t.Fatal(err)
	}
	u.listener, u.at = listener, at
	u.running.Go(func() { u.accept(listener) })
}

// Stop closes the listener and all connections, as a dc_server that ends does. When it
// returns, nothing more is accepted, read or answered. A Fault must not call it: it waits
// for all of them.
func (u *Upstream) Stop() {
	u.mu.Lock()
	if u.listener != nil {
		_ = u.listener.Close()
		u.listener = nil
	}
	for p := range u.peers {
		p.end(net.Conn.Close)
	}
	u.mu.Unlock()
	u.running.Wait()
}

// CloseAll closes the open connections and goes on listening.
func (u *Upstream) CloseAll() { u.endAll(net.Conn.Close) }

// ResetAll ends the open connections with an RST and goes on listening.
func (u *Upstream) ResetAll() { u.endAll(reset) }

func (u *Upstream) endAll(how func(net.Conn) error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for p := range u.peers {
		p.end(how)
	}
}

// Put keeps a session, as if it had been added.
func (u *Upstream) Put(id, data string, ttl time.Duration) { u.sessions.put(id, data, ttl) }

// Has reports whether it keeps that session.
func (u *Upstream) Has(id string) bool {
	_, ok := u.sessions.get(id)
	return ok
}

// Lose drops a session, as one that was evicted.
func (u *Upstream) Lose(id string) { u.sessions.remove(id) }

func (u *Upstream) accept(listener net.Listener) {
	for {
		sock, err := listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return
		case err != nil:
			u.t.Errorf("upstream on %v: accept: %v", u.Endpoint(), err)
			return
		}
		u.serve(sock)
	}
}

// serve runs a connection in two goroutines: one reads and decides, one writes.
func (u *Upstream) serve(sock net.Conn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.listener == nil {
		_ = sock.Close()
		return
	}
	p := newPeer(u, sock, u.record.opened())
	u.peers[p] = struct{}{}
	greet := u.greet
	u.running.Go(p.write)
	u.running.Go(func() {
		p.read(greet)
		u.left(p)
	})
}

func (u *Upstream) left(p *peer) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.peers, p)
	u.record.closed()
}

// finish ends it with its test, and says which expected requests never came.
func (u *Upstream) finish() {
	u.Stop()
	for _, r := range u.rules {
		r.judge(u.t)
	}
}

// Rule says what an Upstream does with some requests in place of the honest answer. It
// takes effect with Reply, Status or Do. When several fit a request, the oldest that is
// not used up counts.
type Rule struct {
	up       *Upstream
	what     string // for the message when it never came
	fits     func(Request) bool
	fault    Fault
	left     int  // requests that it is still for, negative: all
	expected bool // the test fails when they do not come
}

// Expect is a rule for one request of that operation on that session. The test fails
// when it has not come by the end.
func (u *Upstream) Expect(op codec.Op, id string) *Rule {
	fits := func(q Request) bool { return q.Op == op && q.ID == id }
	return &Rule{up: u, what: fmt.Sprintf("%v of %q", op, id), fits: fits, left: 1, expected: true}
}

// After is a rule for all requests of each connection but its first n.
func (u *Upstream) After(n int) *Rule {
	return u.On(func(q Request) bool { return q.Number > n })
}

// On is a rule for all requests that fit. fits runs in the goroutine of the request's
// connection; of the Upstream it may only read what was recorded.
func (u *Upstream) On(fits func(Request) bool) *Rule {
	return &Rule{up: u, fits: fits, left: -1}
}

// Times makes the rule one for n requests.
func (r *Rule) Times(n int) *Rule {
	r.left = n
	return r
}

// Reply answers with that payload.
func (r *Rule) Reply(payload []byte) { r.Do(Reply(payload)) }

// Status answers with that status byte.
func (r *Rule) Status(s codec.Status) { r.Do(Reply([]byte{byte(s)})) }

// Do does anything.
func (r *Rule) Do(fault Fault) {
	r.up.mu.Lock()
	defer r.up.mu.Unlock()
	r.fault = fault
	r.up.rules = append(r.up.rules, r)
}

// OnConnect does something with each connection accepted from now on, before it reads;
// x.Request and x.Answer are empty then. Nil: nothing.
func (u *Upstream) OnConnect(fault Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.greet = fault
}

// Honest drops all rules, and what OnConnect set; expected requests that did not come
// are forgiven.
func (u *Upstream) Honest() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.rules, u.greet = nil, nil
}

// fault gives what is to be done with q: Pass when no rule fits.
func (u *Upstream) fault(q Request) Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, r := range u.rules {
		if r.left != 0 && r.fits(q) {
			r.left--
			return r.fault
		}
	}
	return Pass
}

func (r *Rule) judge(t testing.TB) {
	if r.expected && r.left > 0 {
		t.Errorf("got no %s, or too few: want %d more", r.what, r.left)
	}
}
