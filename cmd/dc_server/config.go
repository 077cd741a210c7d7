package main

import (
	"time"

	"distcache/codec"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/store"
	"distcache/internal/version"
)

const (
	program = "dc_server"

	// maxClients is how many connections there may be: dc_clients, one each, and
	// applications that come without one.
	maxClients = 16384
	// poolBytes is the memory for requests of all clients that are not whole, and as much
	// again for answers that are not read.
	poolBytes = 64 << 20
)

// config is the command line, parsed.
type config struct {
	daemonFlags daemon.Flags
	sessions    int
	progress    int // operations between two lines of figures; 0: none
	minExpiry   time.Duration
}

func (c *config) flags() *options.Set {
	s := options.New(program, "[options]", "Holds TLS sessions in memory for the dc_clients of all hosts.")
	c.daemonFlags.Declare(s, "IP:127.0.0.1:9001")
	s.Int(&c.sessions, "sessions", "number", 100_000, 64, 1<<30,
		"Sessions that are held; when there are more, those that would expire soonest go first.")
	s.Int(&c.progress, "progress", "operations", 0, 0, 1<<31-1,
		"Log a line of figures after every so many operations; 0: never.")
	s.Millis(&c.minExpiry, "minexpiry", 0, 0, codec.MaxTimeout,
		"Raise the timeout of sessions that are added with a shorter one.")
	s.Version(version.Text(program))
	return s
}

func (c *config) store() store.Config { return store.Config{MaxSessions: c.sessions} }

func (c *config) daemon() daemon.Config {
	return daemon.Config{
		Program:    program,
		Flags:      c.daemonFlags,
		MaxClients: maxClients,
		PoolBytes:  poolBytes,
		Memory:     daemon.Memory{OffHeap: c.store().Bound()},
	}
}
