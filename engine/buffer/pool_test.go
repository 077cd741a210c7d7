package buffer

import "testing"

func TestPoolKeepsToItsLimit(t *testing.T) {
	p := NewPool(2*small + medium)
	a, b, c := p.Get(1), p.Get(small), p.Get(small+1)
	if a == nil || b == nil || c == nil {
		t.Fatal("a buffer within the limit was refused")
	}
	if cap(c) != medium {
		t.Errorf("capacity for %d bytes: got %d, want %d", small+1, cap(c), medium)
	}
	if d := p.Get(1); d != nil {
		t.Error("lent over the limit")
	}
	p.Put(a)
	if d := p.Get(1); d == nil {
		t.Error("refused what was given back")
	}
	if p.Get(large+1) != nil {
		t.Error("lent more than Largest")
	}
}

// TestKeptBuffersDoNotCrowdOut fills the free list with one size and asks for another.
func TestKeptBuffersDoNotCrowdOut(t *testing.T) {
	p := NewPool(8 * small)
	var all [][]byte
	for range 8 {
		all = append(all, p.Get(small))
	}
	for _, b := range all {
		p.Put(b)
	}
	if p.Lent() != 0 {
		t.Errorf("lent after all came back: got %d, want 0", p.Lent())
	}
	p = NewPool(medium)
	p.Put(p.Get(small))
	if p.Get(medium) == nil {
		t.Error("a kept small buffer kept a medium one from being lent")
	}
}

func TestPutWipes(t *testing.T) {
	p := NewPool(small)
	b := append(p.Get(8), "a secret"...)
	p.Put(b)
	if b[:8][0] != 0 {
		t.Errorf("got %q after Put, want zeros", b)
	}
}

func TestCut(t *testing.T) {
	for n, want := range map[int]string{0: "12345678", 3: "45678", 5: "678", 8: ""} {
		b := append(NewPool(small).Get(8), "12345678"...)
		if got := Cut(b, n); string(got) != want || string(b[len(got):]) != "\x00\x00\x00\x00\x00\x00\x00\x00"[:n] {
			t.Errorf("Cut of %d: got %q and %q behind it, want %q and zeros", n, got, b[len(got):], want)
		}
	}
}

func TestGrowKeepsTheBytes(t *testing.T) {
	p := NewPool(small + medium)
	b := append(p.Get(8), "12345678"...)
	g := p.Grow(b, small+1)
	if string(g) != "12345678" || cap(g) < small+1 {
		t.Errorf("got %q with capacity %d", g, cap(g))
	}
	if p.Lent() != medium {
		t.Errorf("lent: got %d, want %d", p.Lent(), medium)
	}
	if p.Grow(g, large) != nil || string(g) != "12345678" {
		t.Error("a refused Grow must leave the buffer as it is")
	}
}
