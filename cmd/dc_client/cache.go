package main

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"unsafe"

	"distcache/internal/agent"
	"distcache/internal/daemon"
	"distcache/internal/daemon/options"
	"distcache/internal/store"
)

const (
	// maxCache is more than the sessions of a minute take on any host, in MiB.
	maxCache = 64 << 10
	// sessionRoom is what a session is taken to need in the cache, in bytes: more than a TLS session without certificates.
	// It says how many sessions the index is made for.
	sessionRoom = 256
	// leastSessions is how many it is made for at least.
	leastSessions = 1024
)

// cacheFlags are the flags of the local cache.
type cacheFlags struct {
	mebibytes int // of all loops; 0: no cache
}

func (f *cacheFlags) declare(s *options.Set) {
	s.Int(&f.mebibytes, "cache", "MiB", 0, 0, maxCache,
		"Memory for a cache of recent sessions. For a GET of one, dc_server sends one byte instead of the session (0: no cache).")
}

func (f *cacheFlags) validate(loops int) error {
	least := daemon.Mebibytes(int64(loops) * (store.Config{MaxSessions: leastSessions}.Overhead() + store.MinBytes))
	if f.mebibytes == 0 || int64(f.mebibytes) >= least {
		return nil
	}
	return &options.UsageError{Flag: "cache", Value: strconv.Itoa(f.mebibytes), Reason: fmt.Sprintf(
		"%d MiB is too little for -loops %d, must be 0 or at least %d", f.mebibytes, loops, least)}
}

// limits are those of the share of one loop.
func (f *cacheFlags) limits(loops int) store.Config {
	share := int64(f.mebibytes) << 20 / int64(loops)
	c := store.Config{MaxSessions: leastSessions}
	c.MaxSessions = int(max(leastSessions, (share-c.Overhead()-store.MinBytes)/sessionRoom))
	c.MaxBytes = max(store.MinBytes, share-c.Overhead())
	return c
}

// open gives a loop the memory for its share; nil: there is no cache.
func (f *cacheFlags) open(loops int) (*store.Memory, error) {
	if f.mebibytes == 0 {
		return nil, nil
	}
	return store.NewMemory(f.limits(loops))
}

// numWrites is how many IDs are told apart, about: a write of one ends the use of the entries of all others with its hash.
const numWrites = 1 << 20

// writes is the agent.Writes of several loops.
type writes [numWrites]atomic.Uint32

// Note implements agent.Writes; so does Count.
func (w *writes) Note(hash uint64)         { w[hash%numWrites].Add(1) }
func (w *writes) Count(hash uint64) uint32 { return w[hash%numWrites].Load() }

// shared gives what the loops share; nil: nothing.
func (f *cacheFlags) shared(loops int) agent.Writes {
	if f.mebibytes == 0 || loops == 1 {
		return nil
	}
	return new(writes)
}

// addMemory tells the daemon what the cache may take.
func (f *cacheFlags) addMemory(d *daemon.Config, loops int) {
	if f.mebibytes == 0 {
		return
	}
	share := f.limits(loops)
	d.Ready = append(d.Ready, "cache_mib", f.mebibytes)
	d.Memory.Heap += int64(loops) * agent.CacheMemory
	if loops > 1 {
		d.Memory.Heap += int64(unsafe.Sizeof(writes{}))
	}
	d.Memory.OffHeap = int64(loops) * share.Bound()
	d.Memory.Text = fmt.Sprintf("  sessions %d MiB = %d x (%d MiB index and partly filled pages + %d MiB records), %d in each loop of up to %d B on average (-cache)\n",
		daemon.Mebibytes(d.Memory.OffHeap), loops, daemon.Mebibytes(share.Overhead()), daemon.Mebibytes(share.Records()),
		share.MaxSessions, share.Records()/int64(share.MaxSessions))
}
