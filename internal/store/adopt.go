package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"
)

// Reopen returns the Memory that the process before left (Leave), or that it had when it was killed.
// fd is the descriptor of its memfd, which Reopen takes over. Adopt must follow before any other
// call. An error that wraps ErrKept tells that these sessions cannot be used; NewMemory can.
//
// The limits need not be those of before. The sessions that expire last are taken over if not all
// of them fit.
func Reopen(c Config, fd int) (*Memory, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	k, sessions, err := openKept(fd, int(c.Arena()))
	if err != nil {
		return nil, err
	}
	return buildMemory(c, k, max(sessions, c.MaxSessions))
}

// Adoption is what came of the sessions of the process before.
type Adoption struct {
	Sessions int  // taken over
	Expired  int  // their time was over
	Evicted  int  // did not fit
	Clean    bool // the process before came to an orderly end
	Torn     bool // that process was killed while it was writing a session, which is dropped
}

// Adopt takes the sessions over. It costs less than a microsecond for each. An error wraps ErrKept:
// they cannot be used, are wiped, and the Memory is empty.
func (m *Memory) Adopt(now time.Duration) (Adoption, error) {
	a, err := m.adopt(now)
	if err == nil {
		return a, nil
	}
	return Adoption{}, errors.Join(doubt("%w", err), m.startEmpty())
}

func (m *Memory) adopt(now time.Duration) (Adoption, error) {
	m.slab.pages.kept.setState(stateInUse) // this, too, may be killed
	s := &salvage{slab: m.slab, now: m.epoch + now}
	defer clear(s.buffer[:]) // sessions are secrets
	if err := s.run(); err != nil {
		return Adoption{}, err
	}
	if index := min(len(m.expiry.levels[0]), len(m.table.buckets)*bucketSlots); s.records > index {
		return Adoption{}, fmt.Errorf("%d sessions do not fit an index for %d", s.records, index)
	}
	if err := m.enterAll(s.buffer[:]); err != nil {
		return Adoption{}, err
	}
	m.stats.Adopted = uint64(m.stats.Sessions)
	for m.stats.Sessions > m.stats.Capacity || m.slab.cost > m.slab.limit {
		m.dropSoonest(now)
	}
	m.slab.pages.kept.begin()
	a := Adoption{Sessions: m.stats.Sessions, Expired: s.expired, Evicted: int(m.stats.Evicted),
		Clean: m.slab.pages.kept.clean, Torn: s.torn > 0}
	return a, m.slab.pages.kept.writeHeader(m.stats.Capacity)
}

// enterAll makes table and tournament of all records. A process that is killed between the two
// steps of a move leaves one record twice, and one of them is dropped. buffer has room for a page.
func (m *Memory) enterAll(buffer []byte) error {
	var double []ref
	for i := range m.slab.classes.list {
		c := &m.slab.classes.list[i]
		used := c.used
		for n := c.last; n != noPage; n = m.slab.pages.table[n].below {
			records := buffer[:used*c.size]
			if err := m.slab.pages.kept.read(n, records); err != nil {
				return err
			}
			for slot := 0; slot < used; slot += warmBatch {
				first := ref((int(n)*pageSize + slot*c.size) / refUnit)
				double = m.enterBatch(records[slot*c.size:], c.size, first, double)
			}
			if len(double) > maxTorn {
				return fmt.Errorf("%d sessions are there twice", len(double))
			}
			if err := m.slab.pages.kept.write(n, records); err != nil { // with the leaves
				return err
			}
			used = c.slots
		}
	}
	for _, r := range double {
		rec := m.slab.record(r)
		other, _ := m.table.find(m.hash(rec.id()), rec.id(), m.slab)
		if !bytes.Equal(rec.data(), m.slab.record(other).data()) {
			return errors.New("two sessions have the same ID")
		}
		if from, moved := m.slab.free(r); moved {
			m.moved(from, r)
		}
	}
	return nil
}

// enterBatch enters the first of some records, at most warmBatch, into table and tournament, and
// their leaves into the records. They are copies; the place of the first is given. It appends those
// whose id is there already to double. The processor waits for all buckets together.
func (m *Memory) enterBatch(records []byte, size int, first ref, double []ref) []ref {
	n := min(len(records)/size, warmBatch)
	var hashes [warmBatch]uint64
	for i := range n {
		hashes[i] = m.hash(record(records[i*size:]).id())
		m.warmed += m.table.buckets[m.table.home(hashes[i])].tags[0]
	}
	var rec record
	same := func(r ref) bool { return m.slab.pages.kept.has(r, rec.id()) }
	for i, h := range hashes[:n] {
		rec = records[i*size:]
		r := first + ref(i*size/refUnit)
		if m.table.any(h, same) {
			double = append(double, r)
			continue
		}
		idLen, dataLen := rec.lengths()
		rec.setLeaf(m.expiry.insert(rec.expiry(m.slab.sizeFor(idLen, dataLen))-m.epoch, r))
		m.table.insert(h, r)
		m.stats.Sessions++
		m.stats.Bytes += int64(idLen + dataLen)
	}
	return double
}

// startEmpty wipes all records, and begins with none.
func (m *Memory) startEmpty() error {
	zeroSlice(m.table.buckets)
	zeroSlice(m.expiry.memory)
	m.expiry.used, m.expiry.free, m.expiry.turn = 0, 0, 0
	p := &m.slab.pages
	*p = pages{arena: p.arena, opened: p.opened, table: make([]page, len(p.table)), warm: noPage, cold: noPage, kept: p.kept}
	m.slab.classes, m.slab.cost = newClasses(), 0
	m.stats = Stats{Capacity: m.stats.Capacity}
	err := p.kept.empty()
	p.kept.begin()
	return err
}

// Descriptor is that of the memfd, for another process to hold.
func (m *Memory) Descriptor() int { return m.slab.pages.kept.fd }

// Leave is Close, but leaves the sessions for the process that gets the descriptor, which it
// returns. The caller closes it.
func (m *Memory) Leave() (fd int, err error) {
	k := m.slab.pages.kept
	err = errors.Join(k.leave(), unmapSlice(m.table.buckets), unmapSlice(m.expiry.memory))
	*m = Memory{}
	return k.fd, err
}
