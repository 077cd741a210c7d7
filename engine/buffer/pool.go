package buffer

import (
	"errors"

	"distcache/codec"
)

// ErrFull is the reason where a borrower is refused because the limit is reached.
var ErrFull = errors.New("out of buffer memory")

// The capacities that a Pool lends, in bytes: for a request of one frame and a little more,
// for one message of the largest size, and for a batch of answers.
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
	lent  int // bytes on loan
	kept  int // bytes in free
	free  [3][][]byte
}

// NewPool returns a Pool that lends at most limit bytes at a time.
func NewPool(limit int) *Pool { return &Pool{limit: limit} }

// Get lends an empty slice with a capacity of at least n bytes. It returns nil if the limit
// is reached or n is over Largest.
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

// Put takes back a slice from Get, which must not be used any more, and wipes it up to its
// length: a borrower that drops bytes uses Cut. A nil slice is ignored.
func (p *Pool) Put(b []byte) {
	if b == nil {
		return
	}
	class, size := classOf(cap(b))
	p.lent -= size
	clear(b)
	p.free[class] = append(p.free[class], b[:0])
	p.kept += size
}

// makeRoom releases the kept buffers to the garbage collector if a new buffer, already
// counted as lent, takes the sum over the limit.
func (p *Pool) makeRoom() {
	if p.lent+p.kept > p.limit {
		p.free = [3][][]byte{}
		p.kept = 0
	}
}

// Grow returns b's bytes in a buffer with a capacity of at least n bytes, and takes b back.
// If Get returns nil, so does Grow, and b stays as it is.
func (p *Pool) Grow(b []byte, n int) []byte {
	bigger := p.Get(n)
	if bigger == nil {
		return nil
	}
	bigger = append(bigger, b...)
	p.Put(b)
	return bigger
}

// Cut drops the first n bytes of b. The rest moves to the front, and what it leaves is wiped.
func Cut(b []byte, n int) []byte {
	rest := b[:copy(b, b[n:])]
	clear(b[len(rest):])
	return rest
}

// Lent is the number of bytes on loan.
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
