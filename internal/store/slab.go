package store

// slab keeps records. In each size class they are adjacent: when a record is freed, the last
// record of its class moves into its place. So memory is never fragmented, whatever sizes
// come and go; at most a part of one page in each class is unused.
//
//	class 224   [#######page 0#######] [#######page 7#######] [####      page 3]
//	class 240   [##       page 1     ]                             ▲ last, used
//
// Every byte outside a record is zero.
type slab struct {
	pages   pages
	classes *classes
	cost    int64 // of all records
	limit   int64 // of cost
	trailer int   // of each record, in bytes: recordTrailer if they are kept
}

func newSlab(c Config) (*slab, error) {
	pages, err := newPages(int(c.Arena()), c.Locked)
	if err != nil {
		return nil, err
	}
	classes := newClasses()
	return &slab{pages: pages, classes: classes, limit: c.limit(classes)}, nil
}

// newKeptSlab is a slab whose records k keeps.
func newKeptSlab(c Config, k *kept) (*slab, error) {
	pages, err := newKeptPages(k, c.Locked)
	if err != nil {
		return nil, err
	}
	classes := newClasses()
	return &slab{pages: pages, classes: classes, limit: c.limit(classes), trailer: recordTrailer}, nil
}

// sizeFor is the size of a record in bytes, with header and trailer.
func (s *slab) sizeFor(idLen, dataLen int) int { return recordSize(idLen, dataLen) + s.trailer }

// sizeOf is the size of a record that is there.
func (s *slab) sizeOf(r record) int { return s.sizeFor(r.lengths()) }

// full is the limit that one more record of size bytes would exceed, or 0.
func (s *slab) full(size int) Full {
	c := s.classes.of(size)
	switch {
	case s.cost+c.cost > s.limit:
		return FullOfBytes
	case c.full() && !s.pages.ready():
		return FullMachine
	}
	return 0
}

// alloc returns zeros for a record of size bytes. full must have returned 0.
func (s *slab) alloc(size int) ref {
	c := s.classes.of(size)
	if c.full() {
		c.last, c.used = s.pages.take(c.last), 0
		if k := s.pages.kept; k != nil {
			k.setClass(c.last, s.classes.number(size))
		}
	}
	c.used++
	s.pages.touch(c.last, c.used*c.size)
	s.cost += c.cost
	return c.top()
}

// free wipes a record and takes back its memory. If that moved another record, from its
// place to the place of the freed one, moved is true.
func (s *slab) free(r ref) (from ref, moved bool) {
	hole := s.record(r)
	size := s.sizeOf(hole)
	clear(hole[:size])
	c := s.classes.of(size)
	top := c.top()
	if top != r {
		last := s.record(top)
		last = last[:s.sizeOf(last)]
		copy(hole, last)
		clear(last)
	}
	s.shrink(c)
	return top, top != r
}

// shrink frees the last slot of a class.
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

// wipe clears all records. The slab must not be used after it.
func (s *slab) wipe() {
	for i := range s.classes.list {
		for n := s.classes.list[i].last; n != noPage; n = s.pages.table[n].below {
			clear(s.pages.bytes(n)[:s.pages.table[n].touched])
		}
	}
}

// pageSize is the memory that a size class takes from the arena at a time, in bytes.
const pageSize = 256 << 10

// noPage ends a list of pages.
const noPage = ^uint32(0)

// class is one size of records. Its records fill its pages from the start and without a
// hole: only the last page is not full.
type class struct {
	size  int // of a slot, in bytes
	slots int // in a page
	// cost is a slot's share of the page, in bytes: a little over size if the slots do not
	// fill the page.
	cost int64

	last uint32 // the page that is being filled; noPage: none
	used int    // slots used in it
}

// full reports whether one more record needs another page.
func (c *class) full() bool { return c.last == noPage || c.used == c.slots }

// classes are all size classes, the smallest first.
type classes struct {
	list []class
	// bySize is the number of the class for a record, by its size in units of refUnit,
	// rounded up.
	bySize [(maxRecord+recordTrailer)/refUnit + 2]uint8
}

// newClasses chooses the sizes: in steps of refUnit up to 1,024 bytes, then of about 1/32,
// and towards the end sizes that fill a page.
func newClasses() *classes {
	c := &classes{list: make([]class, 0, 160)} // 155 are used
	for size := refUnit; ; size += max(refUnit, size/32/refUnit*refUnit) {
		slots := pageSize / size
		size = pageSize / slots / refUnit * refUnit // the largest size of which as many fit
		c.list = append(c.list, class{
			size:  size,
			slots: slots,
			cost:  int64((pageSize + slots - 1) / slots),
			last:  noPage,
		})
		if size >= maxRecord+recordTrailer {
			break
		}
	}
	c.index()
	return c
}

// index fills bySize.
func (c *classes) index() {
	number := 0
	for units := range c.bySize {
		if number+1 < len(c.list) && units*refUnit > c.list[number].size {
			number++
		}
		c.bySize[units] = uint8(number)
	}
}

// of is the class for a record of size bytes, at most maxRecord.
func (c *classes) of(size int) *class { return &c.list[c.number(size)] }

// number is the number of that class.
func (c *classes) number(size int) int { return int(c.bySize[(size+refUnit-1)/refUnit]) }

// largest is the class of the largest records.
func (c *classes) largest() *class { return &c.list[len(c.list)-1] }
