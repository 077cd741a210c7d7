package store

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
