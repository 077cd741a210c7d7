package store

import (
	"fmt"
	"time"

	"distcache/codec"
	"distcache/internal/daemon/metrics"
)

// Serve implements Store.
func (m *Memory) Serve(a Answers) { m.answers = a }

// Do implements Store: the answer comes before it returns, and the data of a GET are those
// of the store, not a copy.
func (m *Memory) Do(r *Request, now time.Duration) {
	var data []byte
	found := false // an id that cannot exist is not found
	switch r.Op {
	case codec.OpGet:
		data, found = m.View(r.ID, now)
	case codec.OpHave:
		found = m.Have(r.ID, now)
	case codec.OpRemove:
		found = m.Remove(r.ID, now)
	case codec.OpAdd:
		m.answers.Answer(r.Ticket, r.Op, m.addFor(r, now), nil, now)
		return
	}
	status := codec.StatusNotOK
	if found {
		status = codec.StatusOK
	}
	m.answers.Answer(r.Ticket, r.Op, status, data, now)
}

func (m *Memory) addFor(r *Request, now time.Duration) codec.Status {
	result := m.Add(r.ID, r.Data, r.TTL, now)
	if result.Evicted > 0 {
		m.answers.Evicted(result.Evicted, result.Full, now)
	}
	switch result.Outcome {
	case Stored:
		return codec.StatusOK
	case Exists:
		return codec.StatusAddExists
	}
	return codec.StatusAddCorrupt
}

// View gives the data of a session, and whether it is there. The bytes are the store's
// own: they may be read, not written, until the next call of any method.
func (m *Memory) View(id []byte, now time.Duration) ([]byte, bool) {
	r, ok := m.lookup(id, now)
	if !ok {
		return nil, false
	}
	// Read all lines of the record at once; otherwise the later ones wait for the first,
	// which has the length.
	m.warmed += m.slab.warm(r)
	return m.slab.record(r).data(), true
}

// Have reports whether a session is there.
func (m *Memory) Have(id []byte, now time.Duration) bool {
	_, ok := m.lookup(id, now)
	return ok
}

// lookup finds the record of a session that has not expired. An id that cannot exist is not
// found.
func (m *Memory) lookup(id []byte, now time.Duration) (ref, bool) {
	r, ok := m.table.find(m.hash(id), id, m.slab)
	return r, ok && m.alive(r, now)
}

// alive reports whether a session has not expired. It reads the session's leaf, which is
// seldom in the processor's cache, only while some expired session has not been dropped.
func (m *Memory) alive(r ref, now time.Duration) bool {
	return m.expiry.soonest() >= now || m.expiry.deadline(m.slab.record(r).leaf()) >= now
}

// Flush implements Store: every request has been answered.
func (m *Memory) Flush(time.Duration) {}

// Status implements Store: it is always ready.
func (m *Memory) Status(now time.Duration) metrics.Status {
	return metrics.Status{Ready: true, Text: "Serving sessions from memory", For: now,
		Detail: fmt.Sprintf("Sessions: %d of %d", m.stats.Sessions, m.stats.Capacity)}
}

// Figures implements Store: all of them are in Stats.
func (m *Memory) Figures() metrics.Source { return nil }

const (
	// warmBatch is the number of ids that are read ahead together. A processor can wait for
	// about that many cache lines at a time.
	warmBatch = 32
	// warmFrom is the size of all sessions, in bytes, from which reading ahead pays. Smaller
	// stores are in the processor's cache anyway.
	warmFrom = 1 << 20
	// cacheLine is the unit in which a processor reads memory, in bytes.
	cacheLine = 64
	// warmLines is the number of cache lines of a record that are read, from its first byte.
	warmLines = 4
)

// Announce reads ahead the memory of ids that are about to be looked up, so that a View of each
// finds it in the processor's cache. It changes nothing and is optional. With a million
// sessions a lookup spends most of its time in two reads of memory, one after the other;
// Announce lets the reads of several ids wait together.
func (m *Memory) Announce(ids [][]byte) {
	if m.stats.Bytes < warmFrom {
		return
	}
	for len(ids) > 0 {
		n := min(len(ids), warmBatch)
		m.warmed += m.warm(ids[:n])
		ids = ids[n:]
	}
}

// warm reads ahead for at most warmBatch ids. The sum has no meaning; it keeps the compiler
// from removing the reads.
func (m *Memory) warm(ids [][]byte) (sum uint8) {
	var hashes [warmBatch]uint64
	for i, id := range ids {
		hashes[i] = m.hash(id)
		sum += m.table.buckets[m.table.home(hashes[i])].tags[0]
	}
	for _, h := range hashes[:len(ids)] {
		b := &m.table.buckets[m.table.home(h)]
		if match := b.match(tagOf(h)); match != 0 {
			sum += m.slab.warm(b.refs[match.slot()])
		}
	}
	return sum
}

// warm reads the first lines of a record, but nothing beyond its page.
func (s *slab) warm(r ref) (sum uint8) {
	at := int(r) * refUnit
	end := at | (pageSize - 1)
	for range warmLines {
		sum += s.pages.arena[min(at, end)]
		at += cacheLine
	}
	return sum
}
