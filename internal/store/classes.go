package store

// pageSize is what a size class takes from the arena at a time, in bytes.
const pageSize = 256 << 10

// noPage ends a list of pages.
const noPage = ^uint32(0)

// class is one size of records. Its records fill its pages from the start on, without
// a hole: only the last page is not full.
type class struct {
	size  int // of a slot, in bytes
	slots int // in a page
	// cost is a slot's part of the page, in bytes: a little over size where slots do not
	// fill a page to its end.
	cost int64

	last uint32 // the page that is being filled, noPage if there is none
	used int    // slots used in it
}

// full reports whether one more record needs another page.
func (c *class) full() bool { return c.last == noPage || c.used == c.slots }

// classes are all sizes, the smallest first.
type classes struct {
	list []class
	// bySize is the number of the class for a record, by its size in units of refUnit,
	// rounded up.
	bySize [maxRecord/refUnit + 2]uint8
}

// newClasses lays out the sizes: in steps of refUnit up to 1,024 bytes, then of about
// 1/32, and towards the end in those that fill a page.
func newClasses() *classes {
	c := &classes{}
	for size := refUnit; ; size += max(refUnit, size/32/refUnit*refUnit) {
		slots := pageSize / size
		size = pageSize / slots / refUnit * refUnit // the largest of which as many fit
		c.list = append(c.list, class{
			size:  size,
			slots: slots,
			cost:  int64((pageSize + slots - 1) / slots),
			last:  noPage,
		})
		if size >= maxRecord {
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
func (c *classes) of(size int) *class {
	return &c.list[c.bySize[(size+refUnit-1)/refUnit]]
}

// largest is the class of the largest records.
func (c *classes) largest() *class { return &c.list[len(c.list)-1] }
