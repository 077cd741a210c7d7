package agent

import (
	"encoding/binary"
	"time"

	"distcache/codec"
	"distcache/engine/deadline"
	"distcache/internal/store"
)

const (
	// entryLife is the longest time that a session is kept here. It bounds how long an ID that another host has given
	// to another session can bring the former one (docs/dc_client.md, “A local cache”).
	entryLife = time.Minute
	// entryHeader is what stands in front of the session in the memory of an entry: its number, its era and the count of writes.
	entryHeader = 12
	// leastSession is the shortest session that is kept, in bytes: one of a byte looks like a status.
	leastSession = 2
	// expirePerCall is how many entries are dropped in one go: few enough that no client notices.
	expirePerCall = 256
	// expirePause is the time between two such goes, so that not each entry wakes the loop.
	expirePause = 10 * time.Millisecond
)

// entries are the sessions that a cache holds. A store.Memory bounds them, drops them when their time is over, wipes them,
// and keeps them out of core dumps.
type entries struct {
	memory   *store.Memory
	number   uint32        // of the last request; see next
	era      uint32        // entries of earlier eras are not used any more
	past     int           // how many of those there may be
	expireAt time.Duration // no entry is dropped before

	payload []byte // of a message of several frames
	record  []byte // a header and a session
}

func newEntries(memory *store.Memory) entries {
	return entries{memory: memory, payload: make([]byte, 0, codec.MaxPayload), record: make([]byte, 0, codec.MaxDataLen)}
}

// next numbers the requests that bring or use entries, in the order in which they are sent. It wraps.
func (e *entries) next() uint32 {
	e.number++
	return e.number
}

// find gives the session of an ID, if the request that brought it was sent before the one with that number. The bytes live
// until the next call.
func (e *entries) find(id []byte, number uint32, now time.Duration) (session []byte, ok bool) {
	record, ok := e.memory.View(id, now)
	if !ok || int32(binary.BigEndian.Uint32(record)-number) >= 0 {
		return nil, false
	}
	return record[entryHeader:], true
}

// current reports whether there is a session for the ID that may be used. One of an earlier era, or of another count of
// writes, is dropped.
func (e *entries) current(id []byte, writes uint32, now time.Duration) bool {
	record, ok := e.memory.View(id, now)
	if !ok {
		return false
	}
	if binary.BigEndian.Uint32(record[4:]) != e.era || binary.BigEndian.Uint32(record[8:]) != writes {
		e.memory.Remove(id, now)
		return false
	}
	return true
}

// place keeps the session of an ID in place of any other one, for life at most. number is that of the request that brought it.
func (e *entries) place(id, session []byte, number, writes uint32, life, now time.Duration) {
	e.memory.Remove(id, now)
	if len(session) < leastSession || len(session) > codec.MaxDataLen-entryHeader {
		return
	}
	e.record = binary.BigEndian.AppendUint32(e.record[:0], number)
	e.record = binary.BigEndian.AppendUint32(e.record, e.era)
	e.record = binary.BigEndian.AppendUint32(e.record, writes)
	e.record = append(e.record, session...)
	e.memory.Add(id, e.record, min(life, entryLife), now)
	clear(e.record)
}

// placeAdd keeps the session of an ADD.
func (e *entries) placeAdd(m *codec.Message, number, writes uint32, now time.Duration) {
	payload := m.Payload(e.payload)
	if add, status := codec.ParseAdd(payload); status == codec.StatusOK {
		e.place(add.ID, add.Data, number, writes, add.Timeout, now)
	}
	e.wipe(m, payload)
}

// placeHit keeps the session that a GET has brought.
func (e *entries) placeHit(id, wire []byte, number, writes uint32, now time.Duration) {
	m := codec.Message{Wire: wire}
	payload := m.Payload(e.payload)
	e.place(id, payload, number, writes, entryLife, now)
	e.wipe(&m, payload)
}

// wipe clears the payload of m, if it is a copy.
func (e *entries) wipe(m *codec.Message, payload []byte) {
	if !m.Single() {
		clear(payload)
	}
}

// drop drops the session of an ID.
func (e *entries) drop(id []byte, now time.Duration) { e.memory.Remove(id, now) }

// endEra ends the use of all entries. They are dropped later, some at a time.
func (e *entries) endEra() {
	e.era++
	e.past = e.memory.Len()
}

// deadline is when expire is to be called next.
func (e *entries) deadline() time.Duration {
	if e.past > 0 {
		return 0
	}
	return max(e.memory.Deadline(), e.expireAt)
}

// expire drops some entries whose time is over, or that are of the past. The soonest to expire goes first, so it may be a
// new one in place of one of the past: that one will be dropped in its time.
func (e *entries) expire(now time.Duration) {
	switch {
	case e.past > 0:
		e.past -= min(e.past, expirePerCall)
		if e.memory.Expire(deadline.Never, expirePerCall) < expirePerCall {
			e.past = 0
		}
	case now >= e.expireAt && e.memory.Expire(now, expirePerCall) > 0:
		e.expireAt = now + expirePause
	}
}
