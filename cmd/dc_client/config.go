package main

import (
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"distcache/codec/address"
	"distcache/internal/agent"
	"distcache/internal/credentials"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/daemon/service"
	"distcache/internal/front"
	"distcache/internal/version"
	"distcache/upstream"
	"distcache/upstream/conn"
)

const (
	program = "dc_client"

	// maxBatch is how many bytes of requests may wait until dc_server reads them.
	maxBatch = 4 << 20
	// poolBytes is the memory for requests of all clients that are not whole, and as much
	// again for answers that are not read.
	poolBytes = 32 << 20
	// muxMemory is the size of the tables of requests in flight, in bytes. There are two of them
	// while the connection moves to another dc_server. muxSlot is that of one request.
	muxMemory = upstream.MaxInFlight * muxSlot
	muxSlot   = 64
	// spreadBatch and spreadInFlight are maxBatch and upstream.MaxInFlight for each of several servers that are used
	// together: each has a share of the requests.
	spreadBatch    = 1 << 20
	spreadInFlight = 1 << 14
	// clientWindow is how many requests a client may have in flight. A client that pipelines
	// is served in parts of so many, with the others in between.
	clientWindow = 64
	// clientGets is how many of those may be GETs. Their answers, of 33 KiB each at most, are
	// held for a client that does not read: buffer.Largest is what it may have held.
	clientGets = 3
	// maxLoops is more than the cores that a TLS terminator can spare.
	maxLoops = 64
)

// config is the command line, parsed.
type config struct {
	daemonFlags daemon.Flags
	clients     daemon.ClientFlags
	servers     serverFlags
	inForce     *serverList // changes at SIGHUP
	tls         credentials.Flags
	credentials *credentials.Credentials // nil: no TLS
	memcached   []address.Address
	ignore      bool // removes of other fronts than distcache's
	retry       time.Duration
	timeout     time.Duration // 0: never
	loops       int
	cache       cacheFlags
	sessiond    sessiondFlags
}

// flags declares the flags of dc_client, in the order of the usage text.
func (c *config) flags() *options.Set {
	s := options.New(program, "-server address [options]",
		"Passes the TLS session requests of applications on this host to dc_server, over one connection.")
	c.daemonFlags.Declare(s, "UNIX:/tmp/scache")
	c.servers.declare(s)
	s.Millis(&c.retry, "retry", 5*time.Second, time.Millisecond, time.Hour,
		"Longest time between attempts to connect to dc_server.")
	s.Millis(&c.timeout, "timeout", 200*time.Millisecond, 0, time.Hour,
		"Answer DISCONNECTED if dc_server takes longer than this to answer (0: wait for ever).")
	c.clients.Declare(s, 32768, "Limit of connected clients. A new one replaces the client of -listen that has been idle longest. "+
		"If none is idle, the new one is closed; at -memcached it waits.")
	c.declareFronts(s)
	s.Int(&c.loops, "loops", "number", 1, 1, maxLoops,
		"Number of event loops, one per CPU core to use; each has its own connection to dc_server.")
	c.cache.declare(s)
	c.sessiond.declare(s)
	c.tls.DeclareClient(s)
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
	next := config{}
	flags, err := next.parse(args)
	if err != nil {
		return nil, err
	}
	r := &daemon.Reread{Set: flags, Flags: next.daemonFlags}
	r.Live, r.Reload = c.credentials.Follow(next.credentials)
	if c.servers.takesEffect(&next.servers) {
		certificates := r.Reload
		r.Live, r.Reload = append(r.Live, "server"), func() bool {
			if certificates != nil && !certificates() {
				if !slices.Equal(c.servers.list, next.servers.list) {
					slog.Error("SIGHUP: the old list of -server stays in force", "reason", "the TLS certificates could not be read")
				}
				return false
			}
			for _, w := range next.servers.plainWarnings(c.servers.list) {
				slog.Warn(w)
			}
			c.servers.list = next.servers.list
			c.inForce.set(next.servers.list) // each loop takes it at its Reload
			return true
		}
	}
	return r, nil
}

// validate checks the flags against each other.
func (c *config) validate(s *options.Set) error {
	if err := c.daemonFlags.Validate(); err != nil {
		return err
	}
	if !s.Given("server") {
		return &options.UsageError{Flag: "server", Reason: "is required: the address of dc_server, such as IP:cache.example.net:9001"}
	}
	if err := c.servers.validate(); err != nil {
		return err
	}
	for _, listen := range c.daemonFlags.Listen {
		for _, server := range c.servers.list {
			if isItself(listen, server) {
				return &options.UsageError{Flag: "server", Value: server.String(),
					Reason: server.String() + " is also the address of -listen: dc_client would connect to itself"}
			}
		}
	}
	if err := c.cache.validate(c.loops); err != nil {
		return err
	}
	if err := c.sessiond.validate(s); err != nil {
		return err
	}
	if err := c.validateTLS(); err != nil {
		return err
	}
	if err := c.validateFronts(); err != nil {
		return err
	}
	for _, server := range c.servers.list {
		if err := c.daemonFlags.ValidatePath("server", server); err != nil {
			return err
		}
	}
	c.inForce = &serverList{list: c.servers.list}
	return nil
}

// validateTLS checks the flags of TLS against the addresses, and makes the credentials that these need.
func (c *config) validateTLS() error {
	first, secure := c.servers.firstSecure()
	if err := c.tls.Validate("server", secure, c.daemonFlags.Daemon); err != nil {
		return err
	}
	if secure {
		c.credentials = credentials.New(c.tls, first.Host)
	}
	return nil
}

// isItself reports whether the two addresses are the same by their text. Where the text
// does not tell, the probe of a new connection fails: it never comes back.
func isItself(listen, server address.Address) bool {
	if listen.Same(server) {
		return true
	}
	return listen.Kind == address.TCP && listen.Host == "" && listen.Port == server.Port && isLoopback(server.Host, listen.Family)
}

// isLoopback reports whether a socket of that family on every interface has the host.
func isLoopback(host string, family address.Family) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback() && ip.Is6() == (family == address.IPv6)
}

func (c *config) daemon() daemon.Config {
	d := daemon.Config{
		Program:    program,
		Flags:      c.daemonFlags,
		MaxClients: c.clients.MaxClients,
		Loops:      c.loops,
		PoolBytes:  poolBytes,
		Memory:     daemon.Memory{Heap: int64(c.loops) * c.servers.memory()},
		Limit:      service.FindMemoryLimit(),
		Show:       agent.Show,
		Upstreams:  c.servers.most(),
		Warnings:   c.warnings(),
	}
	c.addDoors(&d)
	c.cache.addMemory(&d, c.loops)
	if c.sessiond.on() {
		d.Memory.Heap += front.DatagramMemory
	}
	if c.credentials != nil {
		d.Check, d.Reload = c.credentials.Load, c.credentials.Reload
		d.Memory.Heap += int64(c.loops) * int64(c.servers.most()) * conn.SecureMemory
		d.CertificateExpires = c.credentials.Expires
	}
	return d
}

// warnings tells what the way to dc_server lacks, and who can connect. A host name may be one of this host; only the attempt
// to connect will tell.
func (c *config) warnings() []string {
	all := c.frontWarnings()
	if c.sessiond.on() {
		all = append(all, c.sessiond.warning())
	}
	return append(all, c.servers.plainWarnings(nil)...)
}
