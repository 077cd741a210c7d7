package main

import (
	"log/slog"
	"strings"
	"time"

	"distcache/internal/daemon/logging"
	"distcache/internal/store/redis"
	"distcache/internal/store/seal"
)

// storeLog logs how a store in another process does: a line for each change.
type storeLog struct {
	location  string
	notOpened logging.Limiter
}

// StoreFound logs which servers there are.
func (l *storeLog) StoreFound(mode redis.Mode, addresses []string, _ time.Duration) {
	slog.Info("the store was found", "store", l.location, "mode", mode.String(), "servers", strings.Join(addresses, ", "))
}

// StoreNotFound logs that no server told which ones there are.
func (l *storeLog) StoreNotFound(k redis.Kind, reason string, _ time.Duration) {
	slog.Warn("the store was not found: requests are answered DISCONNECTED until it is", "store", l.location, "error", k.String(), "reason", reason)
}

// StoreChanged logs that a server got into trouble, or out of it.
func (l *storeLog) StoreChanged(c redis.Change, _ time.Duration) {
	about := []any{"server", c.Address}
	switch {
	case c.Is != redis.OK && c.Writes:
		slog.Warn("the store refuses ADDs: they are answered DISCONNECTED", append(about, "error", c.Is.String(), "reason", c.Reason, "hint", hint(c.Is))...)
	case c.Is != redis.OK:
		slog.Warn("the store does not serve: its requests are answered DISCONNECTED", append(about, "error", c.Is.String(), "reason", c.Reason, "hint", hint(c.Is))...)
	case c.Writes:
		slog.Info("the store takes ADDs again", append(about, "after", c.For.Round(time.Millisecond), "failed", c.Failed)...)
	default:
		slog.Info("the store serves again", append(about, "after", c.For.Round(time.Millisecond), "failed", c.Failed)...)
	}
}

// hint is the likely cause or the remedy.
func hint(k redis.Kind) string {
	switch k {
	case redis.Late:
		return "see whether the server hangs or is overloaded; or raise -storetimeout above the round trip"
	case redis.Connection:
		return "see whether the server runs and is reachable; it is tried again all the time"
	case redis.Loading:
		return "it reads its data after a start"
	case redis.ClusterDown:
		return "a master is gone and no replica has taken its place yet, or slots have no server"
	case redis.Moved:
		return "the servers of the cluster disagree about the slots"
	case redis.ReadOnly:
		return "it is a replica: name the master, or all servers, or the sentinels in -store"
	case redis.Memory:
		return "raise maxmemory, or set maxmemory-policy volatile-ttl"
	case redis.NotWritable:
		return "see min-replicas-to-write and stop-writes-on-bgsave-error"
	case redis.Auth:
		return "see the user in -store, -storepassword, and the server's ACL"
	case redis.Protocol:
		return "see whether the address is that of a Redis"
	}
	return "see the server's log"
}

// NotOpened logs sessions that were sealed otherwise, or changed.
func (l *storeLog) NotOpened(reason error, now time.Duration) {
	if n, ok := l.notOpened.Allow(now); ok {
		slog.Warn("a session in the store does not open: it counts as a miss", "store", l.location, "reason", reason, logging.Suppressed(n))
	}
}

// sealed logs with what is sealed.
func (l *storeLog) sealed(k *seal.Keys) {
	slog.Info("sessions in the store are sealed, and their IDs hashed", "sealing_key", k.Sealing(), "keys", k.Len())
}
