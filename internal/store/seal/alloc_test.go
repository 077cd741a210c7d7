//go:build !race

package seal

import "testing"

// The race detector allocates by itself, hence the build constraint.

func TestNothingAllocates(t *testing.T) {
	for name, run := range loops(t) {
		run()
		if got := testing.AllocsPerRun(100, run); got != 0 {
			t.Errorf("%s: got %v allocations, want 0", name, got)
		}
	}
}
