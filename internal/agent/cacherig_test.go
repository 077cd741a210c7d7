package agent

import "distcache/internal/store"

// newTestCache is memory for a cache, which fits a few hundred sessions.
func newTestCache() *store.Memory {
	m, err := store.NewMemory(store.Config{MaxSessions: 256, MaxBytes: store.MinBytes})
	if err != nil {
		panic(err)
	}
	return m
}

// closeTestCache frees it; nil: nothing.
func closeTestCache(m *store.Memory) {
	if m == nil {
		return
	}
	if err := m.Close(); err != nil {
		panic(err)
	}
}

// idle reports whether nothing that concerns the cache is under way.
func (c *cache) idle() bool {
	for i := range c.stripes {
		if c.stripes[i].open != 0 {
			return false
		}
	}
	return len(c.tickets.free) == len(c.tickets.table)
}
