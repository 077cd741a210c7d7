package main

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"distcache/codec/address"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/front/memcached"
)

// maxMemcached is how many -memcached there may be. More is a mistake on the command line.
const maxMemcached = 16

// declareFronts adds the flags of fronts that speak other protocols than distcache's.
func (c *config) declareFronts(s *options.Set) {
	s.List("memcached", "address", "", "Address for TLS terminators that speak memcached's text or binary protocol: "+
		"UNIX:/path, or IP:127.0.0.1:port; may be given several times.",
		func(texts []string) error { return c.listenMemcached(texts) })
	s.Func("remove", "policy", "honour", "Removals by -memcached clients: honour or ignore.", func(text string) error {
		if text != "honour" && text != "ignore" {
			return fmt.Errorf("%q is not honour or ignore", text)
		}
		c.ignore = text == "ignore"
		return nil
	})
}

// listenMemcached reads the addresses of all -memcached so far.
func (c *config) listenMemcached(texts []string) error {
	if len(texts) > maxMemcached {
		return fmt.Errorf("at most %d addresses may be given", maxMemcached)
	}
	c.memcached = nil
	for _, text := range texts {
		a, err := address.ParseListen(text)
		switch {
		case err != nil:
			return err
		case a.Kind != address.Unix && (a.Kind != address.TCP || !a.IsLoopback()):
			return fmt.Errorf("%q is not UNIX:/path, nor an address of this host alone such as IP:127.0.0.1:11211: "+
				"anyone who can connect can read sessions", text)
		case slices.ContainsFunc(c.memcached, a.Same):
			return fmt.Errorf("%q is given twice", text)
		}
		c.memcached = append(c.memcached, a)
	}
	return nil
}

// validateFronts checks the flags of declareFronts against the others.
func (c *config) validateFronts() error {
	for _, a := range c.memcached {
		if slices.ContainsFunc(c.daemonFlags.Listen, a.Same) {
			return &options.UsageError{Flag: "memcached", Value: a.String(), Reason: a.String() + " is also an address of -listen"}
		}
		if i := slices.IndexFunc(c.servers.list, func(server address.Address) bool { return isItself(a, server) }); i >= 0 {
			server := c.servers.list[i].String()
			return &options.UsageError{Flag: "server", Value: server,
				Reason: server + " is also an address of -memcached: dc_client would connect to itself"}
		}
		if err := c.daemonFlags.ValidatePath("memcached", a); err != nil {
			return err
		}
	}
	return nil
}

// addDoors tells the daemon where clients of other protocols connect, and what they may take.
func (c *config) addDoors(d *daemon.Config) {
	if len(c.memcached) == 0 {
		return
	}
	d.Doors = append(d.Doors, daemon.Door{Flag: "memcached", Listen: c.memcached})
	d.Memory.Heap += int64(c.loops)*memcached.Memory + int64(c.clients.MaxClients)*(memcached.ClientMemory+int64(c.loops)*memcached.EntryMemory)
}

// frontWarnings tells who can connect over TCP.
func (c *config) frontWarnings() (warnings []string) {
	can := "read and remove sessions"
	if c.ignore {
		can = "read sessions"
	}
	for _, a := range c.memcached {
		if a.Kind == address.TCP {
			warnings = append(warnings, fmt.Sprintf("-memcached %s: any user of this host can connect, and %s; "+
				"use UNIX: where the terminator can (h2o and nghttpx cannot)", a, can))
		}
	}
	return warnings
}

// memcachedConfig is for the front of one loop.
func (a *app) memcachedConfig() memcached.Config {
	share := a.stats.join()
	return memcached.Config{
		Gets: clientGets, IgnoreRemoves: a.config.ignore, PID: os.Getpid(), Share: share, Sum: a.stats.sum,
		Uptime: a.loop.Now, UnixNow: func() int64 { return time.Now().Unix() },
	}
}

// sharedStats are the counters of memcached's fronts of all loops. Each loop tells its own now and
// then, so those of the others may be a little old.
type sharedStats struct {
	mu  sync.Mutex
	all []memcached.Counters
}

// join gives a loop its place: what it tells its counters to.
func (s *sharedStats) join() (share func(*memcached.Counters)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.all)
	s.all = append(s.all, memcached.Counters{})
	return func(own *memcached.Counters) {
		s.mu.Lock()
		s.all[n] = *own
		s.mu.Unlock()
	}
}

func (s *sharedStats) sum() (sum memcached.Counters, loops int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.all {
		sum.Add(&s.all[i])
	}
	return sum, len(s.all)
}
