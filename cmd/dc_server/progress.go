package main

import (
	"log/slog"

	"distcache/codec"
)

// Progress logs a line of figures.
func (cs *cacheServer) Progress(operations uint64) {
	requests := cs.server.Front().Counters.Requests
	stats := cs.store.Stats()
	slog.Info("progress", "operations", operations, "sessions", stats.Sessions,
		"add", requests[codec.OpAdd], "get", requests[codec.OpGet], "remove", requests[codec.OpRemove],
		"have", requests[codec.OpHave], "hits", cs.server.Counters.Hits, "misses", cs.server.Counters.Misses,
		"expired", stats.Expired, "evicted", stats.Evicted)
}
