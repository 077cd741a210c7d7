package main

import (
	"crypto/rand"
	"time"

	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/agent"
	"distcache/internal/daemon"
	"distcache/internal/daemon/metrics"
	"distcache/internal/front"
	"distcache/upstream"
	"distcache/upstream/conn"
)

// app is dc_client's daemon.App: the agent between its clients and its connection.
type app struct {
	config config
	agent  *agent.Agent
}

// newApp makes the agent of one event loop.
func (c config) newApp() daemon.App { return &app{config: c} }

// observer is what the agent reports to.
type observer struct {
	daemon.ClientLog
	linkLog
}

// Open joins the clients, the agent and the connection to dc_server.
func (a *app) Open(l *engine.Loop, cs *engine.Clients, pool *buffer.Pool) (engine.Handler, error) {
	o := &observer{linkLog: linkLog{server: a.config.server, timeout: a.config.timeout}}
	config := a.agentConfig()
	config.Server.Stray, config.Server.Late = o.strayAnswer, o.lateAnswers
	a.agent = agent.New(config, conn.New(l, a.config.server), o)
	l.Schedule(a.agent)
	l.AtTurnEnd(a.agent.TurnEnded)
	return a.agent.AddFront(front.NewDistcache(), cs, pool), nil
}

func (a *app) agentConfig() agent.Config {
	return agent.Config{
		Server: upstream.Config{
			MaxInFlight: upstream.MaxInFlight, MaxBatch: maxBatch,
			Timeout: daemon.OrNever(a.config.timeout), Retry: a.config.retry, Random: random,
		},
		Window:    clientWindow,
		Gets:      clientGets,
		Idle:      daemon.OrNever(a.config.clients.Idle),
		MinExpiry: a.config.clients.MinExpiry,
		Name:      func() string { return a.config.server.String() },
	}
}

func random(b []byte) { _, _ = rand.Read(b) } // documented never to fail

// Start begins to connect to dc_server.
func (a *app) Start(now time.Duration) { a.agent.Start(now) }

// Busy is the number of clients with something under way.
func (a *app) Busy() int { return a.agent.Busy() }

// Snapshot copies the figures.
func (a *app) Snapshot(now time.Duration) metrics.Source { return a.agent.Snapshot(now) }

// Stop answers DISCONNECTED to what is in flight.
func (a *app) Stop(now time.Duration) { a.agent.Stop(now) }

// Close has nothing to free that the end of the process does not.
func (a *app) Close() error { return nil }
