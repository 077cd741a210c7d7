package main

import (
	"net/netip"
	"path/filepath"
	"time"

	"distcache/codec"
	"distcache/codec/address"
	"distcache/engine/deadline"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/version"
	"distcache/upstream"
)

const (
	program = "dc_client"

	// maxBatch is how many bytes of requests may wait for dc_server to take them.
	maxBatch = 4 << 20
	// poolBytes is the memory for requests of all clients that are not whole, and as much
	// again for answers that are not read.
	poolBytes = 32 << 20
	// muxMemory is the tables of what is in flight, in bytes.
	muxMemory = upstream.MaxInFlight * 64
	// maxLoops is more loops than a terminator has cores to spare for them.
	maxLoops = 64
)

// config is the command line, parsed.
type config struct {
	daemonFlags daemon.Flags
	server      address.Address
	retry       time.Duration
	idle        time.Duration // 0: never
	timeout     time.Duration // 0: never
	minExpiry   time.Duration
	maxClients  int
	loops       int
}

// flags declares what the man page of dc_client has, and -killable, -timeout,
// -maxclients, -minexpiry, -loops and -version.
func (c *config) flags() *options.Set {
	s := options.New(program, "-server address [options]",
		"Serves applications on this host from a remote dc_server, over one connection.")
	c.daemonFlags.Declare(s, "UNIX:/tmp/scache")
	s.Func("server", "address", "", "The dc_server to connect to: IP:host:port or UNIX:/path.", func(text string) (err error) {
		c.server, err = address.ParseConnect(text)
		return err
	})
	s.Alias("connect", "server")
	s.Millis(&c.retry, "retry", 5*time.Second, time.Millisecond, time.Hour,
		"Time between two attempts to connect to dc_server.")
	s.Millis(&c.timeout, "timeout", 200*time.Millisecond, 0, time.Hour,
		"Time that dc_server has to answer a request before the client is told DISCONNECTED; 0: for ever.")
	s.Millis(&c.idle, "idle", 0, 0, time.Hour,
		"Close a client that asks nothing for so long; 0: never.")
	s.Millis(&c.minExpiry, "minexpiry", 0, 0, codec.MaxTimeout,
		"Raise the timeout of sessions that are added with a shorter one.")
	s.Int(&c.maxClients, "maxclients", "number", 32768, 1, 1<<20,
		"Clients that may be connected at a time; more are closed at once.")
	s.Int(&c.loops, "loops", "number", 1, 1, maxLoops,
		"Event loops, for as many cores; each has a connection to dc_server of its own.")
	s.Version(version.Text(program))
	return s
}

// validate finds what is wrong with the flags together.
func (c *config) validate(s *options.Set) error {
	if err := c.daemonFlags.Validate(); err != nil {
		return err
	}
	if !s.Given("server") {
		return &options.UsageError{Flag: "server", Reason: "is required: the address of dc_server, such as IP:cache.example.net:9001"}
	}
	if isItself(c.daemonFlags.Listen, c.server) {
		return &options.UsageError{Flag: "server", Value: c.server.String(),
			Reason: c.server.String() + " is the address of -listen too: dc_client would connect to itself"}
	}
	return c.daemonFlags.ValidatePath("server", c.server)
}

// isItself reports whether who listens there is reached at server, as far as the text
// tells. What it does not tell is found by the probe, which never comes back.
func isItself(listen, server address.Address) bool {
	switch {
	case listen == server:
		return true
	case listen.Kind == address.Unix && server.Kind == address.Unix:
		return filepath.Clean(listen.Path) == filepath.Clean(server.Path)
	}
	return listen.Kind == address.TCP && listen.Host == "" && listen.Port == server.Port && isLoopback(server.Host)
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

func (c *config) daemon() daemon.Config {
	return daemon.Config{
		Program:    program,
		Flags:      c.daemonFlags,
		MaxClients: c.maxClients,
		Loops:      c.loops,
		PoolBytes:  poolBytes,
		Memory:     daemon.Memory{Heap: int64(c.loops) * (2*maxBatch + muxMemory)},
	}
}

// orNever reads 0 as for ever.
func orNever(d time.Duration) time.Duration {
	if d == 0 {
		return deadline.Never
	}
	return d
}
