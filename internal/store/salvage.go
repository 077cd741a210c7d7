package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"time"

	"distcache/codec"
)

// salvage is the walk over the pages that the process before left: it drops what is no record,
// and packs the records of each class again. It may be killed at any instant, too: the next
// process starts the walk again. So it wipes the record that was torn before any other.
type salvage struct {
	slab    *slab
	now     time.Duration // by the kernel's monotonic clock
	pages   [][]salvaged  // of each class
	records int
	expired int // records whose time was over
	torn    int // records that were being written, moved or wiped
	buffer  [pageSize]byte
}

// salvaged is one page with what it has.
type salvaged struct {
	page    uint32
	records int
	expired int
}

// maxTorn is how many records a process that is killed leaves torn: it writes one after the
// other. More are damage of another kind.
const maxTorn = 1

// run walks over all pages. Its error tells why the sessions cannot be used.
func (s *salvage) run() error {
	p := &s.slab.pages
	s.pages = make([][]salvaged, len(s.slab.classes.list))
	for n := range uint32(len(p.table)) {
		class, ok := p.kept.class(n)
		if !ok || class >= len(s.pages) {
			return fmt.Errorf("the directory's entry for page %d is wrong", n)
		}
		if class < 0 {
			continue
		}
		page, err := s.sift(n, &s.slab.classes.list[class])
		if err != nil {
			return err
		}
		s.pages[class] = append(s.pages[class], page)
		if s.torn > maxTorn || s.torn > 0 && p.kept.clean {
			return fmt.Errorf("%d records are damaged", s.torn)
		}
	}
	for class, pages := range s.pages {
		s.wipeExpired(&s.slab.classes.list[class], pages)
	}
	for class, pages := range s.pages {
		s.pack(&s.slab.classes.list[class], pages)
	}
	return s.sortPages()
}

// sift counts the records of page n, and wipes what is none.
func (s *salvage) sift(n uint32, c *class) (salvaged, error) {
	found := salvaged{page: n}
	if err := s.slab.pages.kept.read(n, s.buffer[:]); err != nil {
		return found, err
	}
	for slot := range c.slots {
		switch s.check(s.buffer[slot*c.size:][:c.size], c) {
		case whole:
			found.records++
		case expired:
			found.expired++
		case torn:
			s.torn++
			clear(s.slab.pages.bytes(n)[slot*c.size:][:c.size])
		}
	}
	s.expired += found.expired
	return found, nil
}

// wipeExpired wipes the records of a class whose time is over.
func (s *salvage) wipeExpired(c *class, pages []salvaged) {
	for _, p := range pages {
		for slot := 0; p.expired > 0 && slot < c.slots; slot++ {
			if r := s.slab.pages.bytes(p.page)[slot*c.size:][:c.size]; s.check(r, c) == expired {
				clear(r)
				p.expired--
			}
		}
	}
}

// slotContent says what is in a slot.
type slotContent int

const (
	none slotContent = iota
	whole
	expired
	torn
)

func (s *salvage) check(r record, c *class) slotContent {
	idLen, dataLen := r.lengths()
	if idLen == 0 && isZero(r) {
		return none
	}
	size := s.slab.sizeFor(idLen, dataLen)
	switch {
	case idLen == 0 || idLen > codec.MaxIDLen || dataLen == 0 || dataLen > codec.MaxDataLen || size > c.size || s.slab.classes.of(size) != c || !r.signed(size) || !isZero(r[size:]):
		return torn
	case r.expiry(size) < s.now:
		return expired
	}
	return whole
}

func isZero(b []byte) bool {
	var zeros [512]byte
	for len(b) > len(zeros) {
		if !bytes.Equal(b[:len(zeros)], zeros[:]) {
			return false
		}
		b = b[len(zeros):]
	}
	return bytes.Equal(b, zeros[:len(b)])
}

// pack moves the last records of a class into its holes, and makes the list of its pages. The
// fullest pages come first, so that little is moved.
func (s *salvage) pack(c *class, pages []salvaged) {
	slices.SortStableFunc(pages, func(a, b salvaged) int { return cmp.Compare(b.records, a.records) })
	slot := func(n int) record {
		return record(s.slab.pages.bytes(pages[n/c.slots].page)[n%c.slots*c.size:][:c.size])
	}
	front, back := 0, len(pages)*c.slots
	for front < len(pages) && pages[front].records == c.slots {
		front++
	}
	for front *= c.slots; ; {
		for front < back && slot(front)[recordIDLen] != 0 {
			front++
		}
		for front < back && slot(back - 1)[recordIDLen] == 0 {
			back--
		}
		if front >= back {
			break
		}
		copy(slot(front), slot(back-1))
		clear(slot(back - 1))
	}
	s.records += front
	s.slab.cost += int64(front) * c.cost
	for ; front > 0; front -= c.used {
		c.used = min(front, c.slots)
		s.slab.pages.table[pages[0].page].below = c.last
		c.last, pages = pages[0].page, pages[1:]
	}
	for _, empty := range pages {
		s.slab.pages.kept.clearClass(empty.page)
	}
}

// sortPages finds out which pages are in use, and gives the memory of all others back.
func (s *salvage) sortPages() error {
	p := &s.slab.pages
	for i := range s.slab.classes.list {
		for n := s.slab.classes.list[i].last; n != noPage; n = p.table[n].below {
			p.table[n].touched = pageSize
			p.resident += pageSize
			p.fresh = max(p.fresh, n+1)
		}
	}
	for n := range p.fresh {
		if p.table[n].touched > 0 {
			continue
		}
		if err := p.kept.release(int(n)*pageSize, pageSize); err != nil {
			return err
		}
		p.table[n].below, p.cold = p.cold, n
	}
	used := int(p.fresh) * pageSize
	if used == len(p.arena) {
		return nil
	}
	return p.kept.release(used, len(p.arena)-used)
}
