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

	// maxClients limits the connections: one of each dc_client, and those of applications
	// that connect directly.
	maxClients = 16384
	// poolBytes is the memory for requests of all clients that are not whole, and as much
	// again for answers that are not read.
	poolBytes = 64 << 20
	// maxSessions limits -sessions: 2^30, and 2^26 in a 32-bit program, where the index of more
	// is larger than its address space.
	maxSessions = 1 << (26 + 4*(^uint(0)>>63))
)

// config is the command line, parsed.
type config struct {
	daemonFlags daemon.Flags
	sessions    int
	progress    int // operations between two lines of statistics; 0: none
	minExpiry   time.Duration
}

func (c *config) flags() *options.Set {
	s := options.New(program, "[options]", "Stores TLS sessions in memory and serves them to the dc_clients of all hosts.")
	c.daemonFlags.Declare(s, "IP:127.0.0.1:9001")
	s.Int(&c.sessions, "sessions", "number", 100_000, 64, maxSessions,
		"Limit of stored sessions; beyond it, the sessions closest to expiry are evicted.")
	s.Int(&c.progress, "progress", "operations", 0, 0, 1<<31-1,
		"Log statistics each time this many operations are done (0: never).")
	s.Millis(&c.minExpiry, "minexpiry", 0, 0, codec.MaxTimeout,
		"Minimum session timeout: shorter ones are raised to it.")
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
		Check:      (&cacheServer{config: *c}).Check,
	}
}
