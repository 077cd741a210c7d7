package main

import (
	"crypto/rand"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/daemon"
	"distcache/internal/proxy"
	"distcache/upstream"
)

// agent is dc_client's daemon.App: the proxy between its clients and its connection.
type agent struct {
	config config
	proxy  *proxy.Proxy
}

// newApp makes the agent of one event loop.
func (c config) newApp() daemon.App { return &agent{config: c} }

// observer is what the proxy reports to.
type observer struct {
	daemon.ClientLog
	linkLog
}

// Open joins the clients, the proxy and the connection to dc_server.
func (a *agent) Open(l *engine.Loop, cs *engine.Clients, pool *buffer.Pool) (engine.Handler, error) {
	conn := upstream.NewConn(l, a.config.server)
	o := &observer{linkLog: linkLog{server: a.config.server}}
	config := a.proxyConfig()
	config.Link.Stray = o.strayAnswer
	a.proxy = proxy.New(config, cs, pool, conn, o)
	conn.Drive(a.proxy.Link())
	l.Schedule(conn)
	return a.proxy, nil
}

func (a *agent) proxyConfig() proxy.Config {
	timeout := orNever(a.config.timeout)
	return proxy.Config{
		Mux:       upstream.MuxConfig{MaxInFlight: upstream.MaxInFlight, MaxBatch: maxBatch, Timeout: timeout},
		Link:      upstream.LinkConfig{Retry: a.config.retry, Timeout: timeout, Random: random},
		Idle:      orNever(a.config.idle),
		MinExpiry: a.config.minExpiry,
	}
}

func random(b []byte) { _, _ = rand.Read(b) } // documented never to fail

// Start begins to connect to dc_server.
func (a *agent) Start(now time.Duration) { a.proxy.Start(now) }

// Busy is the number of clients with something under way.
func (a *agent) Busy() int { return a.proxy.Busy() }

// Stop answers DISCONNECTED to what is in flight.
func (a *agent) Stop(now time.Duration) { a.proxy.Stop(now) }

// Close has nothing to free that the end of the process does not.
func (a *agent) Close() error { return nil }
