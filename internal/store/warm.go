package store

const (
	// warmBatch is how many ids are looked at together. The processor can wait for about
	// that many cache lines at a time.
	warmBatch = 32
	// warmFrom is the size in bytes of all sessions from which it pays: below, they are
	// in the processor's cache anyway.
	warmFrom = 1 << 20
	// cacheLine is the step in which a processor reads memory, in bytes.
	cacheLine = 64
	// warmLines is how many cache lines of a record are read, from its first byte on.
	warmLines = 4
)

// Announce reads, for ids that are about to be looked up, the memory where they are, so that
// a View of each soon after finds it in the processor's cache. It changes nothing, and
// need not be called. With a million sessions a lookup spends most of its time waiting for
// two reads of memory, one after the other; the reads for several ids wait together.
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

// warm reads for at most warmBatch ids. The sum of what it read says nothing; it is there
// so that the reads are not left out as useless.
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
