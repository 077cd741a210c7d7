package main

import (
	"crypto/rand"
	"log/slog"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/agent"
	"distcache/internal/daemon"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/upstream"
	"distcache/upstream/conn"
)

// app is dc_client's daemon.App: the agent between its clients and its connection.
type app struct {
	config config
	stats  *sharedStats // of all loops
	first  bool         // of the loops: says what concerns them all
	loop   *engine.Loop
	agent  *agent.Agent
	link   *link // to the dc_server in use

	addresses int // of one IP version that the name of dc_server leads to; 0 before the first is found
}

// newApps gives what makes the agent of each event loop.
func (c config) newApps() func() daemon.App {
	first, stats := true, new(sharedStats)
	return func() daemon.App {
		a := &app{config: c, first: first, stats: stats}
		first = false
		return a
	}
}

// link is a connection to dc_server, and the log of it.
type link struct {
	*linkLog
	conn *conn.Conn
}

// newLink makes the log of a connection.
func (a *app) newLink(c *conn.Conn) *link {
	return &link{&linkLog{server: a.config.server, address: c.Address, peer: c.Peer, timeout: a.config.timeout}, c}
}

// observer is what the agent reports to.
type observer struct{ daemon.ClientLog }

// ServingChanged has nothing to say: there is one server.
func (*observer) ServingChanged(_, _ *upstream.Member, _ time.Duration) {}

// Open joins the clients, the agent and the connection to dc_server.
func (a *app) Open(l *engine.Loop, cs *engine.Clients, pool *buffer.Pool) ([]engine.Handler, error) {
	c := conn.New(l, a.config.server)
	if err := a.secure(c); err != nil {
		return nil, err
	}
	a.loop, a.link = l, a.newLink(c)
	if a.first {
		c.OnAddresses(a.foundAddresses)
	}
	a.agent = agent.New(a.agentConfig(), &observer{})
	a.agent.Arrange([]string{a.config.server.String()}, func(string) upstream.Spec { return a.spec(a.link) }, l.Now())
	l.Schedule(a.agent)
	l.AtTurnEnd(a.agent.TurnEnded)
	if a.first && a.config.sessiond.on() { // one loop takes what all stunnels of a host ask
		if err := openStunnel(a.config.sessiond, l, a.agent); err != nil {
			return nil, err
		}
	}
	handlers := []engine.Handler{a.agent.AddFront(front.NewDistcache(), cs, pool)}
	if len(a.config.memcached) > 0 {
		handlers = append(handlers, a.agent.AddMemcached(memcached.New(a.memcachedConfig(), pool), cs, pool))
	}
	return handlers, nil
}

// secure makes the connection speak TLS, if its address says so. It reads the certificates while it
// has the privileges for that.
func (a *app) secure(c *conn.Conn) error {
	if a.config.credentials == nil {
		return nil
	}
	c.Secure(a.config.credentials.Config)
	if !a.first { // they have been read
		return nil
	}
	warnings, err := a.config.credentials.Load()
	for _, w := range warnings {
		slog.Warn(w)
	}
	return err
}

func (a *app) agentConfig() agent.Config {
	return agent.Config{
		Server:    a.serverConfig(),
		Window:    clientWindow,
		Gets:      clientGets,
		Idle:      daemon.OrNever(a.config.clients.Idle),
		MinExpiry: a.config.clients.MinExpiry,
		Name:      func() string { return a.link.name() },
		Addresses: func() int { return a.addresses },
	}
}

// foundAddresses takes the addresses that the name of dc_server leads to.
func (a *app) foundAddresses(all []string) { a.addresses = a.link.severalAddresses(all) }

// serverConfig is for each dc_server.
func (a *app) serverConfig() upstream.Config {
	return upstream.Config{
		MaxInFlight: upstream.MaxInFlight, MaxBatch: maxBatch,
		Timeout: daemon.OrNever(a.config.timeout), Retry: a.config.retry, Random: random,
	}
}

// spec is the dc_server behind l.
func (a *app) spec(l *link) upstream.Spec {
	config := a.serverConfig()
	config.Stray, config.Late = l.strayAnswer, l.lateAnswers
	return upstream.Spec{Name: l.server.String(), Config: config, Transport: l.conn, Watcher: l}
}

func random(b []byte) { _, _ = rand.Read(b) } // documented never to fail

// Start begins to connect to dc_server.
func (a *app) Start(now time.Duration) { a.agent.Start(now) }

// Reload leaves a dc_server that has been revoked, and looks the name of -server up anew.
func (a *app) Reload(time.Duration) {
	a.link.conn.Review()
	a.link.conn.Refresh(a.refreshed)
}

// refreshed moves to another address of dc_server when the name does not lead to the one in use
// any more.
func (a *app) refreshed(found []string, err error) {
	member := a.agent.Servers().Members()[0]
	if a.link.refreshed(found, err, member.State() == upstream.Up) {
		next := a.newLink(a.link.conn.Next())
		a.agent.Move(member, a.spec(next), func(moved bool, _ time.Duration) {
			if moved {
				a.link = next
				return
			}
			a.link.stays()
		}, a.loop.Now())
	}
}

// Busy is the number of clients with something under way.
func (a *app) Busy() int { return a.agent.Busy() }

// Status tells whether dc_server answers.
func (a *app) Status(now time.Duration) metrics.Status { return a.agent.Status(now) }

// Snapshot copies the figures.
func (a *app) Snapshot(now time.Duration) metrics.Source { return a.agent.Snapshot(now) }

// Stop answers DISCONNECTED to what is in flight.
func (a *app) Stop(now time.Duration) { a.agent.Stop(now) }

// Close has nothing to free that the end of the process does not.
func (a *app) Close() error { return nil }
