//go:build !race

package memcached

import "testing"

// The race detector allocates by itself, hence the build constraint.

func TestNothingAllocates(t *testing.T) {
	for _, l := range loops() {
		if got := testing.AllocsPerRun(100, l.run); got != 0 {
			t.Errorf("%s: got %v allocations per run, want 0", l.name, got)
		}
	}
}
