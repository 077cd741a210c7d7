package store

// slab keeps records. In each size class they lie one after the other: when one goes,
// the last of its class is moved into its place. So memory is never in use for less than
// it holds, whatever sizes came and went, but for a part of one page a class.
//
//	class 224   [#######page 0#######] [#######page 7#######] [####      page 3]
//	class 240   [##       page 1     ]                             ▲ last, used
//
// Every byte in which there is no record is zero.
type slab struct {
	pages   pages
	classes *classes
	cost    int64 // of all records
	limit   int64 // of cost
}

func newSlab(c Config) (*slab, error) {
	classes := newClasses()
	limit := c.limit(classes)
	pages, err := newPages(int(limit + slack(c.MaxSessions, classes)))
	if err != nil {
		return nil, err
	}
	return &slab{pages: pages, classes: classes, limit: limit}, nil
}

// fits reports whether there is room for a record of size bytes.
func (s *slab) fits(size int) bool {
	c := s.classes.of(size)
	return s.cost+c.cost <= s.limit && (!c.full() || s.pages.ready())
}

// alloc gives zeros for a record of size bytes. Only after fits said yes.
func (s *slab) alloc(size int) ref {
	c := s.classes.of(size)
	if c.full() {
		c.last, c.used = s.pages.take(c.last), 0
	}
	c.used++
	s.pages.touch(c.last, c.used*c.size)
	s.cost += c.cost
	return c.top()
}

// free wipes a record and takes back its memory. If that moved another record, from
// where it was to where the freed one was, moved is true.
func (s *slab) free(r ref) (from ref, moved bool) {
	hole := s.record(r)
	size := hole.size()
	clear(hole[:size])
	c := s.classes.of(size)
	top := c.top()
	if top != r {
		last := s.record(top)
		last = last[:last.size()]
		copy(hole, last)
		clear(last)
	}
	s.shrink(c)
	return top, top != r
}

// shrink gives up the last slot of a class.
func (s *slab) shrink(c *class) {
	s.cost -= c.cost
	c.used--
	if c.used > 0 {
		return
	}
	c.last = s.pages.give(c.last)
	if c.last != noPage {
		c.used = c.slots
	}
}

// top is the last record of a class that has one.
func (c *class) top() ref {
	return ref((int(c.last)*pageSize + (c.used-1)*c.size) / refUnit)
}

// record is the memory of a record.
func (s *slab) record(r ref) record { return record(s.pages.arena[int(r)*refUnit:]) }

// wipe clears all records; the slab is not usable after it.
func (s *slab) wipe() {
	for i := range s.classes.list {
		for n := s.classes.list[i].last; n != noPage; n = s.pages.table[n].below {
			clear(s.pages.bytes(n)[:s.pages.table[n].touched])
		}
	}
}
