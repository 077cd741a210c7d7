package main

import (
	"log/slog"
	"time"

	"distcache/codec"
	"distcache/internal/server"
	"distcache/internal/store"
)

// progress is a server that logs a line of figures after every so many operations.
type progress struct {
	*server.Server
	store  store.Store
	every  uint64
	nextAt uint64
}

// Received passes bytes on, then looks how many operations they made.
func (p *progress) Received(c int, b []byte, now time.Duration) {
	p.Server.Received(c, b, now)
	requests := p.Table.Counters.Requests
	total := uint64(0)
	for _, n := range requests {
		total += n
	}
	if total < p.nextAt+p.every {
		return
	}
	p.nextAt = total - total%p.every
	stats := p.store.Stats()
	slog.Info("progress", "operations", total, "sessions", stats.Sessions,
		"add", requests[codec.OpAdd], "get", requests[codec.OpGet], "remove", requests[codec.OpRemove],
		"have", requests[codec.OpHave], "hits", p.Server.Counters.Hits, "misses", p.Server.Counters.Misses,
		"expired", stats.Expired, "evicted", stats.Evicted)
}
