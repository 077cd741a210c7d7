package buffer

import (
	"errors"

	"distcache/codec"
)

// ErrFull is the reason where a borrower is refused because the limit is reached.
var ErrFull = errors.New("out of buffer memory")

// classes are the capacities that are lent, in bytes: a request in one frame and a
// little more, one message of the largest size, and a batch of answers.
const (
	small  = 4 << 10
	medium = 33 << 10
	large  = 128 << 10
)

// The largest message must fit the medium class.
const _ = uint(medium - codec.MaxMessageSize)

// Largest is the largest size that Get lends, in bytes.
const Largest = large

// Pool lends buffers whose capacities together stay within a limit.
type Pool struct {
	limit int
	lent  int // bytes that are out
	kept  int // bytes in free
	free  [3][][]byte
}

// NewPool returns a Pool that lends at most limit bytes at a time.
func NewPool(limit int) *Pool { return &Pool{limit: limit} }

// Get lends an empty slice with a capacity of at least n bytes, or returns nil: when
// the limit is reached, or when n is over Largest.
func (p *Pool) Get(n int) []byte {
	class, size := classOf(n)
	if class < 0 || p.lent+size > p.limit {
		return nil
	}
	p.lent += size
	free := p.free[class]
	if len(free) == 0 {
		p.makeRoom()
		return make([]byte, 0, size)
	}
	b := free[len(free)-1]
	p.free[class] = free[:len(free)-1]
	p.kept -= size
	return b
}

// Put takes back what Get lent, which must not be used any more. Session bytes in it
// are wiped. A nil slice is ignored.
func (p *Pool) Put(b []byte) {
	if b == nil {
		return
	}
	class, size := classOf(cap(b))
	p.lent -= size
	clear(b[:cap(b)])
	p.free[class] = append(p.free[class], b[:0])
	p.kept += size
}

// makeRoom leaves the kept buffers to the collector when a new buffer,
// already counted as lent, takes the whole over the limit.
func (p *Pool) makeRoom() {
	if p.lent+p.kept > p.limit {
		p.free = [3][][]byte{}
		p.kept = 0
	}
}

// Grow returns b's bytes in a buffer with a capacity of at least n bytes and takes b
// back. It returns nil, and leaves b as it is, when Get does.
func (p *Pool) Grow(b []byte, n int) []byte {
	bigger := p.Get(n)
	if bigger == nil {
		return nil
	}
	bigger = append(bigger, b...)
	p.Put(b)
	return bigger
}

// Lent is the number of bytes that are out.
func (p *Pool) Lent() int { return p.lent }

func classOf(n int) (class, size int) {
	switch {
	case n <= small:
		return 0, small
	case n <= medium:
		return 1, medium
	case n <= large:
		return 2, large
	}
	return -1, 0
}
