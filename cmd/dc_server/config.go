package main

import (
	"fmt"
	"strconv"

	"distcache/codec/address"
	"distcache/internal/credentials"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/daemon/service"
	"distcache/internal/server"
	"distcache/internal/store"
	"distcache/internal/version"
)

const (
	program = "dc_server"

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
	clients     daemon.ClientFlags
	sessions    int
	memory      int                 // MiB for sessions; 0: half of what the machine or control group has to spare
	limit       service.MemoryLimit // of the process
	lock        bool                // keep the sessions out of swap
	keep        address.Address     // how the next process gets the sessions; zero: not at all
	handover    *daemon.Handover    // the same; nil: none
	progress    int                 // operations between two lines of statistics; 0: none
	store       storeFlags
	warnings    []string // of the flags
	tls         credentials.Flags
	credentials *credentials.Credentials // nil: no TLS
}

func (c *config) flags() *options.Set {
	s := options.New(program, "[options]", "Stores TLS sessions, in memory or in Redis, and serves them to the dc_clients of all hosts.")
	c.daemonFlags.Secure = true
	c.daemonFlags.Declare(s, "IP:127.0.0.1:9001")
	s.Int(&c.sessions, "sessions", "number", 100_000, 64, maxSessions,
		"Limit of stored sessions; beyond it, the sessions closest to expiry are evicted.")
	s.Int(&c.memory, "memory", "MiB", 0, 0, 1<<20,
		"Limit of memory for sessions; beyond it, those closest to expiry are evicted. 0: half of the spare memory of the machine or control group.")
	s.Bool(&c.lock, "lock", "Keep the sessions out of swap (mlock); needs root or RLIMIT_MEMLOCK as large as their memory.")
	c.declareKeep(s)
	s.Int(&c.progress, "progress", "operations", 0, 0, 1<<31-1,
		"Log statistics each time this many operations are done (0: never).")
	c.store.declare(s)
	c.clients.Declare(s, 16384, "Limit of connected clients; further connections are closed at once.")
	c.tls.DeclareServer(s)
	s.Version(version.Text(program))
	return s
}

// parse reads the command line, and the file that it names. The Set is for the outcome, whatever that is.
func (c *config) parse(args []string) (*options.Set, error) {
	s := c.flags()
	if err := s.Parse(args); err != nil {
		return s, err
	}
	return s, s.Locate(c.validate(s))
}

// reread reads the same command line at a SIGHUP. c is what is in force.
func (c *config) reread(args []string) (*daemon.Reread, error) {
	next := config{limit: c.limit}
	flags, err := next.parse(args)
	if err != nil {
		return nil, err
	}
	r := &daemon.Reread{Set: flags, Flags: next.daemonFlags}
	r.Live, r.Reload = c.credentials.Follow(next.credentials)
	return r, nil
}

// validate checks the flags against each other.
func (c *config) validate(s *options.Set) error {
	if err := c.daemonFlags.Validate(); err != nil {
		return err
	}
	if err := c.store.validate(s, c.daemonFlags.Daemon); err != nil {
		return err
	}
	if err := c.validateKeep(); err != nil {
		return err
	}
	c.warnings = c.store.warnings(s)
	secure := c.daemonFlags.ListensSecurely()
	if err := c.tls.Validate("listen", secure, c.daemonFlags.Daemon); err != nil {
		return err
	}
	if secure {
		c.credentials = credentials.New(c.tls, "")
	}
	overhead := store.Config{MaxSessions: c.sessions}.Overhead()
	if least := daemon.Mebibytes(overhead + store.MinBytes); c.memory > 0 && int64(c.memory) < least {
		return &options.UsageError{Flag: "memory", Value: strconv.Itoa(c.memory), Reason: fmt.Sprintf(
			"%d MiB is too little for -sessions %d, must be at least %d", c.memory, c.sessions, least)}
	}
	return nil
}

func (c *config) daemon() daemon.Config {
	d := c.daemonWithoutSessions()
	if c.store.remote() {
		d.Memory, d.Helpers = daemon.Memory{Heap: c.store.location.Heap()}, true
		d.Ready = []any{"store", c.store.location.String(), "sealed", c.store.seal != ""}
		d.Show = server.ShowRemote
		return d
	}
	s := c.memoryStore()
	d.Memory = daemon.Memory{OffHeap: s.Bound(), Text: c.arithmetic(s)}
	d.Ready = []any{"sessions", c.sessions, "sessions_mib", daemon.Mebibytes(s.Bound()), "sessions_mib_by", c.limitedBy(s)}
	return d
}

// daemonWithoutSessions is the daemon without the memory of sessions.
func (c *config) daemonWithoutSessions() daemon.Config {
	d := daemon.Config{
		Program:    program,
		Flags:      c.daemonFlags,
		MaxClients: c.clients.MaxClients,
		PoolBytes:  poolBytes,
		Limit:      c.limit,
		Handover:   c.handover,
		Show:       server.Show,
		Check:      (&cacheServer{config: *c}).Check,
		Warnings:   c.warnings,
	}
	if c.credentials != nil {
		d.Reload, d.CertificateExpires = c.credentials.Reload, c.credentials.Expires
	}
	return d
}
