package main

import (
	"crypto/rand"
	"log/slog"
	"maps"
	"slices"
	"time"

	"distcache/codec/address"
	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/agent"
	"distcache/internal/daemon"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/internal/front/memcached"
	"distcache/internal/store"
	"distcache/upstream"
	"distcache/upstream/conn"
)

// app is dc_client's daemon.App: the agent between its clients and its servers.
type app struct {
	config config
	stats  *sharedStats // of all loops
	writes agent.Writes // of -cache, of all loops; nil: there is one, or no cache
	first  bool         // of the loops: says what concerns them all
	loop   *engine.Loop
	agent  *agent.Agent
	memory *store.Memory // of the flag -cache; nil: none
	roster *roster
	wanted map[string]target // by name of the list
	links  map[string]*link  // by name of the list; of those that were removed too, until the next change
	choice servingLog
}

// newApps gives what makes the agent of each event loop.
func (c config) newApps() func() daemon.App {
	first, stats, writes := true, new(sharedStats), c.cache.shared(c.loops)
	return func() daemon.App {
		a := &app{config: c, first: first, stats: stats, writes: writes}
		first = false
		return a
	}
}

// link is a connection to dc_server, and the log of it.
type link struct {
	log       *linkLog
	conn      *conn.Conn
	addresses int // of one IP version that the name leads to; 0 before the first is found
}

// newLink makes the log of a connection.
func (a *app) newLink(c *conn.Conn, at address.Address) *link {
	l := &link{log: &linkLog{server: at, address: c.Address, peer: c.Peer, timeout: a.config.timeout}, conn: c}
	if a.first {
		c.OnAddresses(func(all []string) { l.addresses = l.log.severalAddresses(all) })
	}
	return l
}

// observer is what the agent reports to.
type observer struct {
	clients daemon.ClientLog
	app     *app
}

// ClientDropped logs why a client was closed.
func (o *observer) ClientDropped(c int, why front.Reason, err error, now time.Duration) {
	o.clients.ClientDropped(c, why, err, now)
}

// ServingChanged logs which of several servers serves.
func (o *observer) ServingChanged(from, to *upstream.Member, now time.Duration) {
	a := o.app
	a.choice.changed(from, to, a.agent.Servers().Members(), a.display(to.Name()), a.config.servers.several(), now)
}

// Open joins the clients, the agent and the servers.
func (a *app) Open(l *engine.Loop, cs *engine.Clients, pool *buffer.Pool) ([]engine.Handler, error) {
	if err := a.loadCredentials(); err != nil {
		return nil, err
	}
	a.loop, a.links = l, map[string]*link{}
	var err error
	if a.memory, err = a.config.cache.open(a.config.loops); err != nil {
		return nil, err
	}
	a.roster = newRoster(a)
	a.agent = agent.New(a.agentConfig(), &observer{app: a})
	a.roster.use(a.config.inForce.get(), l.Now())
	if a.config.servers.perAddress {
		l.Schedule(a.roster)
	}
	l.Schedule(a.agent)
	l.AtTurnEnd(a.agent.TurnEnded)
	if a.first && a.config.sessiond.on() { // one loop takes what all stunnels of a host ask
		if err := openStunnel(a.config.sessiond, l, a.agent); err != nil {
			return nil, err
		}
	}
	cs.MakeRoom = func(now time.Duration) bool { return a.agent.MakeRoom(cs.HangUpOn, now) }
	handlers := []engine.Handler{a.agent.AddFront(front.NewDistcache(), cs, pool)}
	if len(a.config.memcached) > 0 {
		handlers = append(handlers, a.agent.AddMemcached(memcached.New(a.memcachedConfig(), pool), cs, pool))
	}
	return handlers, nil
}

// loadCredentials reads the certificates while the process has the privileges for that.
func (a *app) loadCredentials() error {
	if a.config.credentials == nil || !a.first { // they have been read
		return nil
	}
	warnings, err := a.config.credentials.Load()
	for _, w := range warnings {
		slog.Warn(w)
	}
	return err
}

// arrange makes these the servers.
func (a *app) arrange(all []target, now time.Duration) {
	names, wanted := make([]string, 0, len(all)), make(map[string]target, len(all))
	for _, t := range all {
		names, wanted[t.name] = append(names, t.name), t
	}
	a.wanted = wanted
	a.agent.Arrange(names, a.add, now)
	maps.DeleteFunc(a.links, func(name string, _ *link) bool {
		return !slices.ContainsFunc(a.agent.Servers().Members(), func(m *upstream.Member) bool { return m.Name() == name })
	})
}

// add makes the connection to a server that is new on the list.
func (a *app) add(name string) upstream.Spec {
	t := a.wanted[name]
	c := conn.New(a.loop, t.at)
	a.config.secure(c, t)
	a.links[name] = a.newLink(c, t.at)
	s := a.spec(name, a.links[name])
	s.Share = t.share
	return s
}

// complete reports whether no server is missing: the first of the list serves, or all are up.
func (a *app) complete() bool {
	servers := a.agent.Servers()
	if !a.config.servers.spread {
		return len(servers.Members()) > 0 && servers.Serving() == servers.Members()[0]
	}
	return !slices.ContainsFunc(servers.Members(), func(m *upstream.Member) bool { return m.State() != upstream.Up })
}

func (a *app) agentConfig() agent.Config {
	return agent.Config{
		Server:    a.serverConfig(),
		Spread:    a.config.servers.spread,
		Several:   a.config.servers.several(),
		Window:    clientWindow,
		Gets:      clientGets,
		Idle:      daemon.OrNever(a.config.clients.Idle),
		MinExpiry: a.config.clients.MinExpiry,
		Cache:     a.memory,
		Writes:    a.writes,
		Name:      a.display,
		Addresses: a.addresses,
	}
}

// display is how a server is shown: the flag -server, and the address in use where that is another text.
func (a *app) display(name string) string {
	if l := a.links[name]; l != nil {
		return l.log.name()
	}
	return name
}

// addresses is how many addresses of one IP version a name of -server leads to, at most.
func (a *app) addresses() (most int) {
	for _, l := range a.links {
		most = max(most, l.addresses)
	}
	return most
}

// serverConfig is for each dc_server.
func (a *app) serverConfig() upstream.Config {
	c := upstream.Config{
		MaxInFlight: upstream.MaxInFlight, MaxBatch: maxBatch,
		Timeout: daemon.OrNever(a.config.timeout), Retry: a.config.retry, Random: random,
		EndTurn: a.loop.EndTurn,
	}
	if a.config.servers.spread {
		c.MaxInFlight, c.MaxBatch = spreadInFlight, spreadBatch
	}
	return c
}

// spec is the dc_server behind l.
func (a *app) spec(name string, l *link) upstream.Spec {
	config := a.serverConfig()
	config.Stray, config.Late = l.log.strayAnswer, l.log.lateAnswers
	return upstream.Spec{Name: name, Config: config, Transport: l.conn, Watcher: l.log}
}

func random(b []byte) { _, _ = rand.Read(b) } // documented never to fail

// Start begins to connect.
func (a *app) Start(now time.Duration) {
	a.agent.Start(now)
}

// Reload takes the list of -server that is in force now, leaves each dc_server that has been revoked, and looks the names of
// -server up anew.
func (a *app) Reload(now time.Duration) {
	if list := a.config.inForce.get(); !slices.Equal(list, a.roster.names) {
		slog.Info("SIGHUP: the list of -server has changed", "servers", joined(list))
		a.roster.use(list, now)
	}
	for _, l := range a.links {
		l.conn.Review()
	}
	if a.config.servers.perAddress {
		a.roster.refresh()
		return
	}
	for _, m := range a.agent.Servers().Members() {
		l := a.links[m.Name()]
		l.conn.Refresh(func(found []string, err error) { a.refreshed(m, l, found, err) })
	}
}

// refreshed moves to another address of a dc_server when its name does not lead to the one in use any more.
func (a *app) refreshed(m *upstream.Member, l *link, found []string, err error) {
	if !slices.Contains(a.agent.Servers().Members(), m) || !l.log.refreshed(found, err, m.State() == upstream.Up) {
		return // the list may have changed meanwhile
	}
	next := a.newLink(l.conn.Next(), l.log.server)
	a.agent.Move(m, a.spec(m.Name(), next), func(moved bool, _ time.Duration) {
		if moved {
			next.addresses = max(next.addresses, l.addresses)
			a.links[m.Name()] = next
			return
		}
		l.log.stays()
	}, a.loop.Now())
}

// Busy is the number of clients with something under way.
func (a *app) Busy() int { return a.agent.Busy() }

// Status tells whether dc_server answers.
func (a *app) Status(now time.Duration) metrics.Status { return a.agent.Status(now) }

// Snapshot copies the figures.
func (a *app) Snapshot(now time.Duration) metrics.Source { return a.agent.Snapshot(now) }

// Stop answers DISCONNECTED to what is in flight.
func (a *app) Stop(now time.Duration) { a.agent.Stop(now) }

// Close wipes the sessions of -cache.
func (a *app) Close() error {
	if a.memory == nil {
		return nil
	}
	return a.memory.Close()
}
