package main

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"distcache/codec"
	"distcache/engine"
	"distcache/engine/buffer"
	"distcache/internal/daemon"
	"distcache/internal/daemon/logging"
	"distcache/internal/daemon/metrics"
	"distcache/internal/daemon/service"
	"distcache/internal/front"
	"distcache/internal/server"
	"distcache/internal/store"
)

// cacheServer is dc_server's daemon.App: the server over its store. It is also what the
// server reports to.
type cacheServer struct {
	config    config
	clients   daemon.ClientLog
	sockets   *engine.Clients // nil until Open
	evictions logging.Limiter
	store     store.Store
	memory    *store.Memory // the store; nil: it is elsewhere
	adopting  bool          // the memory is that of the process before
	remote    *remoteStore  // nil: the store is in memory
	server    *server.Server
}

// newApp makes the server of the one event loop.
func (c config) newApp() daemon.App { return &cacheServer{config: c} }

// Check reads the files, and makes a store in memory, which takes address space alone, and frees it. A store elsewhere is not
// asked: a start succeeds without it, too.
func (cs *cacheServer) Check() (warnings []string, err error) {
	if warnings, err = cs.loadCredentials(); err != nil {
		return nil, err
	}
	if cs.config.store.remote() {
		s, err := cs.config.store.load()
		return append(warnings, s.warnings...), err
	}
	store, err := cs.newMemory(cs.config.memoryStore())
	if err != nil {
		return nil, err
	}
	return warnings, store.Close()
}

// newStore makes the store that the flags want.
func (cs *cacheServer) newStore(l *engine.Loop) (err error) {
	if !cs.config.store.remote() {
		now, err := monotonic()
		if err == nil {
			err = cs.openMemory(now - l.Now())
		}
		cs.store = cs.memory
		return err
	}
	l.ShareProcessor() // each connection to the store has goroutines
	if cs.remote, err = openRemote(cs.config.store, l); err == nil {
		cs.store = cs.remote.store
	}
	return err
}

func (cs *cacheServer) newMemory(limits store.Config) (*store.Memory, error) {
	memory, err := store.NewMemory(limits)
	switch {
	case errors.Is(err, store.ErrLock):
		return nil, fmt.Errorf("-lock: %w", err)
	case err != nil:
		return nil, fmt.Errorf("-sessions %d: %w", cs.config.sessions, err)
	}
	return memory, nil
}

// loadCredentials reads the certificates of TLS addresses, if there are any.
func (cs *cacheServer) loadCredentials() (warnings []string, err error) {
	if cs.config.credentials == nil {
		return nil, nil
	}
	return cs.config.credentials.Load()
}

// Open reads the certificates while it has the privileges for that, and makes the store and what serves it.
func (cs *cacheServer) Open(l *engine.Loop, clients *engine.Clients, pool *buffer.Pool) ([]engine.Handler, error) {
	warnings, err := cs.loadCredentials()
	if err != nil {
		return nil, err
	}
	for _, w := range warnings {
		slog.Warn(w)
	}
	cs.sockets = clients
	if cs.config.credentials != nil {
		clients.Secure(cs.config.credentials.Config)
	}
	if err := cs.newStore(l); err != nil {
		return nil, err
	}
	config := server.Config{
		Idle:      daemon.OrNever(cs.config.clients.Idle),
		MinExpiry: cs.config.clients.MinExpiry,
		Progress:  uint64(cs.config.progress),
	}
	cs.server = server.New(config, cs.store, clients, pool, cs)
	l.Schedule(cs.server)
	l.AtTurnEnd(cs.server.TurnEnded)
	return []engine.Handler{cs.server.Front()}, nil
}

// Start adopts the sessions that are kept, or looks for the servers of a store elsewhere.
func (cs *cacheServer) Start(now time.Duration) {
	cs.adopt(now)
	if cs.remote != nil {
		cs.remote.store.Start(now)
	}
}

// Reload closes clients that have been revoked: daemon.Config.Reload has read the certificates anew. It reads the files of
// the store anew. Without any of these, and without -config, it says that there is nothing to reload.
func (cs *cacheServer) Reload(time.Duration) {
	if cs.config.credentials != nil {
		cs.sockets.Review()
	}
	switch {
	case cs.remote != nil && cs.remote.hasFiles():
		cs.remote.reload()
	case cs.config.credentials == nil && cs.config.daemonFlags.Config == "":
		slog.Info("SIGHUP: nothing to reload")
	}
}

// Busy is the number of clients with something under way.
func (cs *cacheServer) Busy() int { return cs.server.Front().Busy() }

// Status tells how full the cache is.
func (cs *cacheServer) Status(now time.Duration) metrics.Status { return cs.server.Status(now) }

// Snapshot copies the figures.
func (cs *cacheServer) Snapshot(now time.Duration) metrics.Source { return cs.server.Snapshot(now) }

// Stop answers what a store elsewhere has not answered yet.
func (cs *cacheServer) Stop(now time.Duration) {
	if cs.remote != nil {
		cs.remote.store.Stop(now)
	}
}

// Close wipes the sessions, or leaves them to the next process, and tells of what the log had no room for.
func (cs *cacheServer) Close() error {
	if cs.sockets != nil && cs.sockets.Refused() > 0 {
		slog.Info("TLS clients refused since the start", "refused", cs.sockets.Refused())
	}
	switch {
	case cs.memory != nil:
		return cs.closeMemory()
	case cs.remote != nil:
		return cs.remote.store.Close()
	}
	return nil
}

// ClientDropped logs why a client was closed.
func (cs *cacheServer) ClientDropped(c int, why front.Reason, err error, now time.Duration) {
	cs.clients.ClientDropped(c, why, err, now)
}

// Evicted logs that the cache is too small for its sessions' lives.
func (cs *cacheServer) Evicted(_ int, full store.Full, now time.Duration) {
	if n, ok := cs.evictions.Allow(now); ok {
		slog.Warn("sessions are evicted before they expire: "+tooSmall(full), logging.Suppressed(n))
	}
}

// tooSmall is the remedy for a store that is full.
func tooSmall(full store.Full) string {
	switch full {
	case store.FullOfBytes:
		return "-memory is too small"
	case store.FullMachine:
		return service.WhyRefused(store.Growth)
	}
	return "-sessions is too small"
}

// Progress logs a line of figures.
func (cs *cacheServer) Progress(operations uint64) {
	requests := cs.server.Front().Counters.Requests
	stats := cs.store.Stats()
	slog.Info("progress", "operations", operations, "sessions", stats.Sessions,
		"add", requests[codec.OpAdd], "get", requests[codec.OpGet], "remove", requests[codec.OpRemove],
		"have", requests[codec.OpHave]-cs.server.Counters.Probes, "hits", cs.server.Counters.Hits, "misses", cs.server.Counters.Misses,
		"expired", stats.Expired, "evicted", stats.Evicted)
}
