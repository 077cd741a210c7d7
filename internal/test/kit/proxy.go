package kit

import (
	"net"
	"sync"
	"testing"
)

// Proxy passes connections on to an honest server and spoils them on the way, in each
// direction by itself. What is set on a Lane holds for open connections at once and for
// those to come.
type Proxy struct {
	Up   *Lane // from those who connect to the server
	Down *Lane // and back

	t        testing.TB
	to       Endpoint
	mu       sync.Mutex
	at       Endpoint
	listener net.Listener // nil while refusing
	pairs    map[*pair]struct{}
	conns    int
	running  sync.WaitGroup
}

// NewProxy starts a Proxy on the same kind of socket as that of the server it passes
// connections on to, until the test ends.
func NewProxy(t testing.TB, to Endpoint) *Proxy {
	t.Helper()
	at := Loopback()
	if to.Network == "unix" {
		at = Unix(t)
	}
	p := &Proxy{Up: newLane(), Down: newLane(), t: t, to: to, at: at, pairs: map[*pair]struct{}{}}
	p.Accept()
	t.Cleanup(p.stop)
	return p
}

// Endpoint is where to connect to.
func (p *Proxy) Endpoint() Endpoint {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.at
}

// Conns is how many connections have been passed on. One counts from when both its
// halves are there, which may be after a connect has returned.
func (p *Proxy) Conns() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.conns
}

// Refuse stops listening: further connections are refused. Open ones stay.
func (p *Proxy) Refuse() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		_ = p.listener.Close()
		p.listener = nil
	}
}

// Accept listens again where it did before Refuse.
func (p *Proxy) Accept() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	listener, at, err := p.at.listen()
	if err != nil {
		p.t.Fatalf("proxy: %v", err)
	}
	p.listener, p.at = listener, at
	p.running.Go(func() { p.serve(listener) })
}

// Reset ends the open connections with an RST on both sides.
func (p *Proxy) Reset() { p.endAll(reset) }

// Close closes the open connections on both sides.
func (p *Proxy) Close() { p.endAll(net.Conn.Close) }

func (p *Proxy) endAll(how func(net.Conn) error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.pairs {
		c.end(how)
	}
}

func (p *Proxy) stop() {
	p.Refuse()
	p.Close()
	p.running.Wait()
}

func (p *Proxy) serve(listener net.Listener) {
	for {
		near, err := listener.Accept()
		if err != nil {
			return
		}
		far, err := p.to.dial()
		if err != nil {
			_ = near.Close() // the server is away, as it would be without us
			continue
		}
		p.join(listener, near, far)
	}
}

// join runs a pair of connections: two lanes of two goroutines each.
func (p *Proxy) join(listener net.Listener, near, far net.Conn) {
	c := &pair{near: near, far: far, over: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != listener {
		c.end(net.Conn.Close)
		return
	}
	p.pairs[c] = struct{}{}
	p.conns++
	var lanes sync.WaitGroup
	lanes.Go(func() { p.Up.pass(c, near, far) })
	lanes.Go(func() { p.Down.pass(c, far, near) })
	p.running.Go(func() {
		lanes.Wait()
		c.end(net.Conn.Close)
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.pairs, c)
	})
}

// pair is a connection and the one it is passed on to.
type pair struct {
	near, far net.Conn
	over      chan struct{} // closed when both are
	once      sync.Once
}

func (c *pair) end(how func(net.Conn) error) {
	c.once.Do(func() {
		close(c.over)
		_ = how(c.near)
		_ = how(c.far)
	})
}
