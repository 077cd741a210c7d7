package buffer

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"distcache/internal/test/kit"
)

// TestRandomHistories borrows, grows, cuts and gives back at random, under limits at random, and
// compares with what must hold: the sum of what is out, the limit, nobody's bytes in two
// hands, nothing of the last borrower's in a new buffer.
func TestRandomHistories(t *testing.T) {
	random := kit.Random(t)
	for range 30 {
		h := history{t: t, random: random, limit: random.IntN(4 * large)}
		h.pool = NewPool(h.limit)
		for range 100 {
			h.step()
		}
		for len(h.out) > 0 {
			h.put(0)
		}
		h.check()
	}
}

type history struct {
	t      *testing.T
	random *rand.Rand
	limit  int
	pool   *Pool
	out    []loan
	mark   byte
}

// loan is a buffer that is out, and what it is full of.
type loan struct {
	b    []byte
	mark byte
}

func (h *history) step() {
	switch n := h.random.IntN(large + 100); {
	case len(h.out) == 0 || h.random.IntN(3) == 0:
		if h.random.IntN(4) > 0 {
			n %= 2 * small // so that there is room for many
		}
		h.get(n)
	case h.random.IntN(2) == 0:
		h.put(h.random.IntN(len(h.out)))
	case h.random.IntN(2) == 0:
		h.cut(h.random.IntN(len(h.out)))
	default:
		h.grow(h.random.IntN(len(h.out)), n)
	}
	h.check()
}

func (h *history) get(n int) {
	b := h.pool.Get(n)
	if h.wantRefusal(n) != (b == nil) {
		h.t.Fatalf("Get(%d) with %d of %d lent: got refusal %v", n, h.pool.Lent(), h.limit, b == nil)
	}
	if b == nil {
		return
	}
	if len(b) != 0 || cap(b) < n {
		h.t.Fatalf("Get(%d): got length %d, capacity %d", n, len(b), cap(b))
	}
	if all := b[:cap(b)]; bytes.Count(all, []byte{0}) != len(all) {
		h.t.Fatalf("Get(%d): got bytes of the last borrower", n)
	}
	h.fill(b)
}

// fill enters a loan, full of a mark of its own.
func (h *history) fill(b []byte) {
	h.mark++
	h.mark |= 1 // never 0
	b = b[:cap(b)]
	copy(b, bytes.Repeat([]byte{h.mark}, len(b)))
	h.out = append(h.out, loan{b, h.mark})
}

func (h *history) put(i int) {
	h.wantMark(h.out[i].b, h.out[i].mark)
	h.pool.Put(h.out[i].b)
	h.out = append(h.out[:i], h.out[i+1:]...)
}

func (h *history) cut(i int) {
	l := &h.out[i]
	n := h.random.IntN(len(l.b) + 1)
	rest := Cut(l.b, n)
	if len(rest) != len(l.b)-n || cap(rest) != cap(l.b) {
		h.t.Fatalf("Cut of %d from %d: got length %d, capacity %d", n, len(l.b), len(rest), cap(rest))
	}
	l.b = rest
	h.wantMark(l.b, l.mark)
}

func (h *history) grow(i, n int) {
	old := h.out[i]
	n = max(n, len(old.b))
	refused := h.wantRefusal(n)
	b := h.pool.Grow(old.b, n)
	if refused != (b == nil) {
		h.t.Fatalf("Grow to %d with %d of %d lent: got refusal %v", n, h.pool.Lent(), h.limit, b == nil)
	}
	if b == nil {
		h.wantMark(old.b, old.mark)
		return
	}
	if len(b) != len(old.b) || cap(b) < n {
		h.t.Fatalf("Grow to %d: got length %d, capacity %d, want length %d", n, len(b), cap(b), len(old.b))
	}
	h.wantMark(b, old.mark)
	h.out = append(h.out[:i], h.out[i+1:]...)
	h.fill(b)
}

// wantRefusal tells what the limit demands of Get(n).
func (h *history) wantRefusal(n int) bool {
	for _, size := range []int{small, medium, large} {
		if n <= size {
			return h.lent()+size > h.limit
		}
	}
	return true
}

func (h *history) lent() int {
	sum := 0
	for _, l := range h.out {
		sum += cap(l.b)
	}
	return sum
}

func (h *history) wantMark(b []byte, mark byte) {
	h.t.Helper()
	if bytes.Count(b, []byte{mark}) != len(b) {
		h.t.Fatalf("a buffer of %d bytes was written to by somebody else", len(b))
	}
}

func (h *history) check() {
	h.t.Helper()
	kept := 0
	for _, class := range h.pool.free {
		for _, b := range class {
			kept += cap(b)
		}
	}
	if h.pool.Lent() != h.lent() || h.pool.kept != kept || h.lent()+kept > h.limit {
		h.t.Fatalf("got %d bytes lent, %d kept, want %d and %d, together within %d",
			h.pool.Lent(), h.pool.kept, h.lent(), kept, h.limit)
	}
}

func TestClasses(t *testing.T) {
	rows := []struct{ n, want int }{
		{0, small}, {1, small}, {small, small}, {small + 1, medium}, {medium, medium},
		{medium + 1, large}, {large, large}, {large + 1, 0},
	}
	p := NewPool(1 << 30)
	for _, row := range rows {
		if got := cap(p.Get(row.n)); got != row.want {
			t.Errorf("Get(%d): got capacity %d, want %d", row.n, got, row.want)
		}
	}
}

func TestPutOfNothing(t *testing.T) {
	p := NewPool(small)
	p.Put(nil)
	if p.Lent() != 0 || p.kept != 0 {
		t.Errorf("got %d lent, %d kept, want none", p.Lent(), p.kept)
	}
}
