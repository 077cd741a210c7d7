package store

import (
	"bytes"
	"testing"
	"time"
)

// checkInvariants walks all of a Memory and fails the test where its parts disagree with
// each other or with the accounts.
func checkInvariants(t *testing.T, m *Memory, c Config) {
	t.Helper()
	refs := checkSlab(t, m)
	checkTable(t, m, refs)
	checkExpiry(t, m, refs)
	s := m.Stats()
	if got, want := len(refs), s.Sessions; got != want {
		t.Fatalf("got %d records in the slab, want %d", got, want)
	}
	if got, want := uint64(s.Sessions)+s.Removed+s.Expired+s.Evicted, s.Stored+s.Adopted; got != want {
		t.Fatalf("got %d sessions held, removed, expired and evicted, want %d, the stored and adopted", got, want)
	}
	if s.Memory > c.Bound() {
		t.Fatalf("got %d bytes of memory, want at most the bound, %d", s.Memory, c.Bound())
	}
}

// checkSlab checks that each class is dense, that all its bytes outside records are zero
// and that the accounts are right. It returns where records are.
func checkSlab(t *testing.T, m *Memory) map[ref]bool {
	t.Helper()
	refs := map[ref]bool{}
	var cost, held int64
	for i := range m.slab.classes.list {
		c := &m.slab.classes.list[i]
		if c.last != noPage && (c.used < 1 || c.used > c.slots) {
			t.Fatalf("class %d: got %d records in the last page, want 1 to %d", c.size, c.used, c.slots)
		}
		used := c.used
		for n := c.last; n != noPage; n = m.slab.pages.table[n].below {
			held += checkPage(t, m.slab, c, n, used, refs)
			cost += int64(used) * c.cost
			used = c.slots
		}
	}
	checkFreePages(t, &m.slab.pages)
	if cost != m.slab.cost || cost > m.slab.limit {
		t.Fatalf("got a cost of %d, want %d, at most %d", m.slab.cost, cost, m.slab.limit)
	}
	if held != m.stats.Bytes {
		t.Fatalf("got %d bytes of ids and data, want %d", m.stats.Bytes, held)
	}
	return refs
}

// checkPage checks one page of a class, and returns the bytes of id and data in it.
func checkPage(t *testing.T, s *slab, c *class, n uint32, used int, refs map[ref]bool) (held int64) {
	t.Helper()
	for slot := range used {
		at := int(n)*pageSize + slot*c.size
		r := ref(at / refUnit)
		size := s.sizeOf(s.record(r))
		if s.classes.of(size) != c {
			t.Fatalf("page %d slot %d: got a record of %d bytes in class %d", n, slot, size, c.size)
		}
		checkZero(t, s.pages.arena[at+size:at+c.size], "after a record")
		refs[r] = true
		held += int64(size - recordHeader - s.trailer)
	}
	touched := int(s.pages.table[n].touched)
	if touched < used*c.size {
		t.Fatalf("page %d: got %d bytes touched, want at least %d", n, touched, used*c.size)
	}
	checkZero(t, s.pages.bytes(n)[min(used*c.size, touched):touched], "after the last record of a page")
	return held
}

// checkFreePages checks that no byte of a session is left in the pages that are free.
func checkFreePages(t *testing.T, p *pages) {
	t.Helper()
	warm := 0
	for n := p.warm; n != noPage; n = p.table[n].below {
		checkZero(t, p.bytes(n)[:p.table[n].touched], "in a free page")
		warm++
	}
	if warm != p.warmed {
		t.Fatalf("got %d warm pages, want %d", p.warmed, warm)
	}
	for n := p.cold; n != noPage; n = p.table[n].below {
		if p.table[n].touched != 0 {
			t.Fatalf("page %d: got %d bytes touched in a page without memory", n, p.table[n].touched)
		}
	}
	var resident int64
	for n := range p.fresh {
		resident += int64(p.table[n].touched)
	}
	if resident != p.resident {
		t.Fatalf("got %d bytes resident, want %d", p.resident, resident)
	}
}

func checkZero(t *testing.T, b []byte, where string) {
	t.Helper()
	var zeros [kernelPage]byte
	for len(b) > 0 {
		n := min(len(b), len(zeros))
		if !bytes.Equal(b[:n], zeros[:n]) {
			t.Fatalf("%s: got %x…, want zeros", where, b[:min(n, 64)])
		}
		b = b[n:]
	}
}

// checkTable checks that each record can be found, once, and that the counts of those
// that passed are exact.
func checkTable(t *testing.T, m *Memory, refs map[ref]bool) {
	t.Helper()
	passed := make([]uint32, len(m.table.buckets))
	found := 0
	for i := range m.table.buckets {
		b := &m.table.buckets[i]
		for slot, tag := range b.tags {
			if tag == 0 {
				continue
			}
			if !refs[b.refs[slot]] {
				t.Fatalf("bucket %d slot %d: got ref %d, where no record is", i, slot, b.refs[slot])
			}
			id := m.slab.record(b.refs[slot]).id()
			h := m.hash(id)
			if r, ok := m.table.find(h, id, m.slab); !ok || r != b.refs[slot] || tag != tagOf(h) {
				t.Fatalf("bucket %d slot %d: got ref %d, %v for its id, want %d", i, slot, r, ok, b.refs[slot])
			}
			for at := m.table.home(h); at != i; at = m.table.after(at) {
				passed[at]++
			}
			found++
		}
	}
	if found != len(refs) {
		t.Fatalf("got %d sessions in the table, want %d", found, len(refs))
	}
	for i, want := range passed {
		if got := m.table.buckets[i].passed; got != want {
			t.Fatalf("bucket %d: got %d passed, want %d", i, got, want)
		}
	}
}

// checkExpiry checks that each record has its leaf, that each entry above is the best of
// those below it, and that every leaf is in use or free.
func checkExpiry(t *testing.T, m *Memory, refs map[ref]bool) {
	t.Helper()
	e := &m.expiry
	for r := range refs {
		leaf := m.slab.record(r).leaf()
		if int(leaf) >= e.used || e.ref(leaf) != r || e.levels[0][leaf].key().none() {
			t.Fatalf("record %d: got leaf %d, which is that of record %d", r, leaf, e.ref(leaf))
		}
	}
	for level := range e.levels[1:] {
		groups := len(e.levels[level]) / fanout
		for at := range groups {
			want := e.contest(level, uint32(at))
			got := e.levels[level+1][at]
			if want.key().none() && got.key().none() {
				continue // nobody, whatever the index says
			}
			if got != want {
				t.Fatalf("level %d entry %d: got %+v, want %+v", level+1, at, got, want)
			}
		}
	}
	free := 0
	for leaf := e.free; leaf != 0; leaf = e.levels[0][leaf-1].index {
		if !e.levels[0][leaf-1].key().none() {
			t.Fatalf("free leaf %d: got expiry %v, want none", leaf-1, e.deadline(leaf-1))
		}
		free++
	}
	if free+len(refs) != e.used {
		t.Fatalf("got %d leaves used, want %d free and %d with a session", e.used, free, len(refs))
	}
}

// newMemory is a Memory that is closed with the test.
func newMemory(t testing.TB, c Config) *Memory {
	t.Helper()
	m, err := NewMemory(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return m
}

// mustAdd adds a session that is taken.
func mustAdd(t testing.TB, m *Memory, id, data string, ttl, now time.Duration) AddResult {
	t.Helper()
	got := m.Add([]byte(id), []byte(data), ttl, now)
	if got.Outcome != Stored {
		t.Fatalf("Add of %q: got %v, want %v", id, got.Outcome, Stored)
	}
	return got
}
