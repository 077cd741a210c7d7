package store

import (
	"errors"
	"hash/maphash"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
)

// Memory is the Store that keeps sessions in the memory of this process.
type Memory struct {
	// seed is random, so an outsider cannot choose ids that collide in one bucket.
	seed    maphash.Seed
	answers Answers
	table   table
	expiry  expiry
	slab    *slab
	stats   Stats
	epoch   time.Duration // Config.Epoch
	warmed  uint8         // the sum of the bytes that warm read; it has no meaning
}

var _ Store = (*Memory)(nil)

// NewMemory returns an empty Memory. It returns ErrConfig when a limit is out of range
// and ErrMemory when the kernel refuses the address space for it. Close must be called in
// the end: the garbage collector does not know its memory.
func NewMemory(c Config) (*Memory, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	var k *kept
	if c.Kept {
		var err error
		if k, err = newKept(int(c.Arena()), c.MaxSessions); err != nil {
			return nil, err
		}
	}
	return buildMemory(c, k, c.MaxSessions)
}

// buildMemory makes a Memory whose index has room for so many sessions. k is the file of the
// records, or nil; after an error it is closed.
func buildMemory(c Config, k *kept, index int) (*Memory, error) {
	m := &Memory{seed: maphash.MakeSeed(), epoch: c.Epoch, stats: Stats{Capacity: c.MaxSessions}}
	var tableErr, expiryErr, slabErr error
	m.table, tableErr = newTable(index)
	m.expiry, expiryErr = newExpiry(index)
	if k == nil {
		m.slab, slabErr = newSlab(c)
	} else if m.slab, slabErr = newKeptSlab(c, k); slabErr != nil {
		slabErr = errors.Join(slabErr, k.close())
	}
	if err := errors.Join(tableErr, expiryErr, slabErr); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Add stores a session under an id of 1 to codec.MaxIDLen bytes, with data of 1 to
// codec.MaxDataLen bytes. In a full store it first drops a session that has expired, or
// else the one that would expire soonest, the older first among equals, and so on,
// one at a time, until there is room. Where the machine has no memory for even one, the new one
// counts as evicted. It may live 66 us longer than ttl. data must not be a View of the same store.
func (m *Memory) Add(id, data []byte, ttl, now time.Duration) AddResult {
	if !codec.ValidID(id) || len(data) == 0 || len(data) > codec.MaxDataLen {
		m.stats.Refused++
		return AddResult{Outcome: Refused}
	}
	h := m.hash(id)
	if r, ok := m.table.find(h, id, m.slab); ok {
		if m.alive(r, now) {
			m.stats.Exists++
			return AddResult{Outcome: Exists}
		}
		m.drop(r, h)
		m.stats.Expired++
	}
	m.stats.Stored++
	if ttl <= 0 {
		// It expires at once: no client could see it, and it must not evict another session.
		m.stats.Expired++
		return AddResult{Outcome: Stored}
	}
	result := AddResult{Outcome: Stored}
	var room bool
	if result.Evicted, result.Full, room = m.makeRoom(m.slab.sizeFor(len(id), len(data)), now); !room {
		m.stats.Evicted++
		result.Evicted++
		return result
	}
	m.place(h, id, data, expiryOf(ttl, now))
	return result
}

// expiryOf is now+ttl, or the last possible instant if that is too large.
func expiryOf(ttl, now time.Duration) time.Duration {
	now = max(now, 0)
	return now + min(ttl, deadline.Never-1-now)
}

// makeRoom drops sessions until there is room for one more, with a record of size bytes. It
// returns how many of them had not expired, and which limit the last of those had to go for. ok is
// false if none is left and there is no room all the same.
func (m *Memory) makeRoom(size int, now time.Duration) (evicted int, full Full, ok bool) {
	for {
		limit := m.full(size)
		switch {
		case limit == 0:
			return evicted, full, true
		case m.stats.Sessions == 0:
			return evicted, limit, false
		}
		if m.dropSoonest(now) {
			evicted, full = evicted+1, limit
		}
	}
}

// full is the limit that one more session, with a record of size bytes, would exceed, or 0.
func (m *Memory) full(size int) Full {
	if m.stats.Sessions == m.stats.Capacity {
		return FullOfSessions
	}
	return m.slab.full(size)
}

// dropSoonest drops the session that is first in the order of expiry, and reports whether
// it was evicted: dropped before its time.
func (m *Memory) dropSoonest(now time.Duration) (evicted bool) {
	evicted = m.expiry.soonest() >= now
	if evicted {
		m.stats.Evicted++
	} else {
		m.stats.Expired++
	}
	r := m.expiry.ref(m.expiry.winner().index)
	m.drop(r, m.hash(m.slab.record(r).id()))
	return evicted
}

// place adds a session to all three structures. There must be room, and no such id.
func (m *Memory) place(h uint64, id, data []byte, expiresAt time.Duration) {
	size := m.slab.sizeFor(len(id), len(data))
	r := m.slab.alloc(size)
	leaf := m.expiry.insert(expiresAt, r)
	rec := m.slab.record(r)
	rec.write(leaf, id, data)
	if m.slab.trailer > 0 {
		rec.sign(size, m.epoch+expiresAt)
	}
	m.table.insert(h, r)
	m.stats.Sessions++
	m.stats.Bytes += int64(len(id) + len(data))
}

// drop removes a session, whose id has the hash h, from all three structures.
func (m *Memory) drop(r ref, h uint64) {
	rec := m.slab.record(r)
	idLen, dataLen := rec.lengths()
	m.stats.Sessions--
	m.stats.Bytes -= int64(idLen + dataLen)
	m.table.remove(h, r)
	m.expiry.remove(rec.leaf())
	if from, moved := m.slab.free(r); moved {
		m.moved(from, r)
	}
}

// moved updates the table and the tournament: the record at from is now at to.
func (m *Memory) moved(from, to ref) {
	rec := m.slab.record(to)
	m.table.replace(m.hash(rec.id()), from, to)
	m.expiry.setRef(rec.leaf(), to)
}

// Remove drops a session, and reports whether it was there.
func (m *Memory) Remove(id []byte, now time.Duration) bool {
	h := m.hash(id)
	r, ok := m.table.find(h, id, m.slab)
	if !ok {
		return false
	}
	alive := m.alive(r, now)
	if alive {
		m.stats.Removed++
	} else {
		m.stats.Expired++
	}
	m.drop(r, h)
	return alive
}

func (m *Memory) hash(id []byte) uint64 { return maphash.Bytes(m.seed, id) }

// Expire implements Store.
func (m *Memory) Expire(now time.Duration, budget int) int {
	n := 0
	for n < budget && m.expiry.soonest() < now {
		m.dropSoonest(now)
		n++
	}
	return n
}

// Deadline implements Store.
func (m *Memory) Deadline() time.Duration {
	soonest := m.expiry.soonest()
	if soonest == deadline.Never {
		return deadline.Never
	}
	return soonest + 1
}

// Len is the number of sessions held, with those that expired and were not dropped yet.
func (m *Memory) Len() int { return m.stats.Sessions }

// Stats implements Store. Its Memory counts the whole table, whose pages are touched at
// random, and the used parts of the others.
func (m *Memory) Stats() Stats {
	s := m.stats
	s.Memory = int64(len(m.table.buckets))*bucketSize + m.expiry.resident() + m.slab.pages.resident
	return s
}

// Close implements Store.
func (m *Memory) Close() error {
	var slabErr error
	if m.slab != nil {
		m.slab.wipe()
		slabErr = m.slab.pages.close()
	}
	err := errors.Join(slabErr, unmapSlice(m.table.buckets), unmapSlice(m.expiry.memory))
	*m = Memory{}
	return err
}
