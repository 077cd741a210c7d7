//go:build !race

package buffer

import (
	"fmt"
	"testing"
)

// cycle borrows, grows and gives back, as for a client whose request comes in pieces.
func cycle(p *Pool, n int) { p.Put(p.Grow(p.Get(1), n)) }

func TestCycleAllocatesNothing(t *testing.T) {
	p := NewPool(1 << 20)
	cycle(p, small+1)
	if got := testing.AllocsPerRun(1000, func() { cycle(p, small+1) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkGetPut(b *testing.B) {
	for _, size := range []int{small, medium, large} {
		b.Run(fmt.Sprintf("bytes=%d", size), func(b *testing.B) {
			p := NewPool(1 << 20)
			b.ReportAllocs()
			for b.Loop() {
				p.Put(p.Get(size))
			}
		})
	}
}
